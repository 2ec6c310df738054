// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/machinepool"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolmachine"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

var env *helpers.Environment

func TestMain(m *testing.M) { os.Exit(helpers.Run(m, &env)) }

const (
	// patience is how long anything may take.
	patience = 2 * time.Minute
	tick     = 5 * time.Millisecond
	// recordLife is longer than a record of attached volumes counts.
	recordLife = 2 * time.Minute
	// drained is the finalizer with which Cluster API's core holds a Machine.
	drained = clusterv1.MachineFinalizer
)

// bench is a provisioned cluster in one simulated account, with a MachinePool, and reconcilers that
// the test drives pass by pass.
type bench struct {
	*helpers.World
	pools       *machinepool.Reconciler
	members     *poolmachine.Reconciler
	pollers     *poller.Pollers
	scheduler   *scheduling.Scheduler
	booter      *joiner
	cluster     *clusterv1.Cluster
	machinePool *clusterv1.MachinePool
	own         *expv1.OCIMeshMachinePool
	// podNetwork is how pods travel, mode the control server's kind. Without a cluster no claims.
	podNetwork        infrav1.PodNetworkMode
	mode              tailnetsim.Mode
	managementCluster string
	// accounts is how many there are; one by default. seed varies OCI's answers.
	accounts int
	seed     uint64
	// restartEachPass makes each pass one of a new process; crash kills one of the processes.
	restartEachPass bool
	crash           *crash
	recorder        *helpers.Recorder

	mu      sync.Mutex
	advance time.Duration
}

func newBench(t *testing.T, replicas int32, change ...func(*clusterv1.MachinePool, *expv1.OCIMeshMachinePool)) *bench {
	t.Helper()
	return (&bench{podNetwork: infrav1.PodNetworkVXLAN}).begin(t, replicas, change...)
}

func (b *bench) begin(t *testing.T, replicas int32, change ...func(*clusterv1.MachinePool, *expv1.OCIMeshMachinePool)) *bench {
	t.Helper()
	b.booter, b.recorder = &joiner{joined: map[string]string{}}, &helpers.Recorder{}
	b.World = helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: cmp.Or(b.accounts, 1), Sim: sim.Options{Booter: b.booter, Seed: b.seed}, TailnetClock: b.now, TailnetMode: b.mode})
	b.booter.control = b.Control
	b.MakeReady(t)
	b.restart()
	b.newCluster(t)
	b.newPool(t, replicas, change...)
	return b
}

// restart is a new process: nothing is remembered.
func (b *bench) restart() {
	if b.crash == nil {
		b.crash = &crash{}
	}
	if b.crash.over() {
		b.Clients = access.New(access.Options{
			Client: b.Client, RequestTimeout: 10 * time.Second, Limits: oci.Unlimited(), TailnetLimits: tailnet.Limits{Failures: 1e6},
		})
	}
	var held *claims.Claims
	if b.managementCluster != "" {
		held = claims.New(b.managementCluster, window)
	}
	api := &mortal{Client: b.Client, crash: b.crash}
	devices := tailnetnode.Statuses{Client: api, Others: poolmachine.DeviceKinds()}
	b.pollers = poller.New(b.Client, b.Clients, poller.Options{PollInterval: tick, ProgressInterval: tick, Clock: b.now})
	b.scheduler = scheduling.New(scheduling.Options{
		Client: b.Client, APIReader: b.Client, Access: b.Clients, Pollers: b.pollers, Pools: machinepool.Reservations(b.Client),
		PollInterval: tick, Clock: b.now,
	})
	b.pools = &machinepool.Reconciler{
		Client: api, Access: b.Clients, Pollers: b.pollers, Scheduler: b.scheduler, KeyNamespace: b.ManagerNamespace, Recorder: b.recorder,
		Claims: held, Devices: devices,
		Options: machinepool.Options{Intervals: phases.Intervals{Poll: tick, Retry: tick}, Clock: b.now},
	}
	b.members = &poolmachine.Reconciler{
		Client: api, Access: b.Clients, Pollers: b.pollers, Recorder: b.recorder, Claims: held, Devices: devices,
		Options: poolmachine.Options{Intervals: phases.Intervals{Poll: tick, Retry: tick}, Clock: b.now},
	}
}

// now is the reconcilers' time: the real one, moved on by sleep.
func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Add(b.advance)
}

func (b *bench) sleep(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advance += d
}

func (b *bench) newCluster(t *testing.T) {
	t.Helper()
	b.cluster = helpers.NewCluster(b.Namespace, "blue")
	b.Create(t, b.cluster)
	infra := helpers.NewOCIMeshCluster(b.cluster, b.Tailnet.Name, b.AccountNames(), func(infra *infrav1.OCIMeshCluster) {
		infra.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: "10.250.0.1", Port: 6443}
		infra.Spec.PodNetwork.Mode = b.podNetwork
	})
	b.Create(t, infra)
	// As its controller does.
	helpers.Update(t, b.Environment, infra, func(infra *infrav1.OCIMeshCluster) {
		infra.Annotations = map[string]string{infrav1.IdentityAnnotation: fmt.Sprintf("%s/%s/%s", infra.Namespace, infra.Name, infra.UID)}
	})
	infra.Status.Accounts = append(infra.Status.Accounts, b.Network(t, 0))
	infra.Status.Initialization.Provisioned = ptr.To(true)
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), infra)).To(Succeed())
	b.ProvisionInfrastructure(t, b.cluster)
}

// newPool makes a MachinePool and its infrastructure as Cluster API's core has them.
func (b *bench) newPool(t *testing.T, replicas int32, change ...func(*clusterv1.MachinePool, *expv1.OCIMeshMachinePool)) {
	t.Helper()
	b.machinePool = &clusterv1.MachinePool{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "workers", Labels: map[string]string{clusterv1.ClusterNameLabel: b.cluster.Name}},
		Spec: clusterv1.MachinePoolSpec{
			ClusterName: b.cluster.Name, Replicas: &replicas,
			Template: clusterv1.MachineTemplateSpec{Spec: clusterv1.MachineSpec{
				ClusterName: b.cluster.Name, Version: "v1.36.3", Bootstrap: clusterv1.Bootstrap{DataSecretName: ptr.To("workers-bootstrap")},
				InfrastructureRef: clusterv1.ContractVersionedObjectReference{
					APIGroup: expv1.GroupVersion.Group, Kind: "OCIMeshMachinePool", Name: "workers",
				},
			}},
		},
	}
	b.own = &expv1.OCIMeshMachinePool{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "workers", Labels: map[string]string{clusterv1.ClusterNameLabel: b.cluster.Name}},
		Spec: expv1.OCIMeshMachinePoolSpec{
			Account: b.Accounts[0].Name,
			Shape:   infrav1.Shape{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12},
			Image:   infrav1.Image{Platform: infrav1.PlatformImage{OperatingSystem: "Canonical Ubuntu", Version: "24.04"}},
			DataVolumes: []infrav1.DataVolume{
				{Name: "data", SizeGB: 50, MountPath: "/var/data"},
			},
		},
	}
	for _, f := range change {
		f(b.machinePool, b.own)
	}
	b.Create(t, b.machinePool, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "workers-bootstrap"},
		Data:       map[string][]byte{"value": []byte(helpers.BootstrapData), "format": []byte("cloud-config")},
	})
	b.own.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(b.machinePool, clusterv1.GroupVersion.WithKind("MachinePool"))}
	b.Create(t, b.own)
}

func eventually(g *WithT, check func(g Gomega)) {
	g.Eventually(check).WithTimeout(patience).WithPolling(tick).Should(Succeed())
}

// pass polls the account and reconciles everything once, Cluster API's part included.
func (b *bench) pass(ctx context.Context) error {
	if b.restartEachPass {
		b.restart()
	}
	if err := b.pollers.Poll(ctx, b.Accounts[0].Name); err != nil {
		return err
	}
	if _, err := b.pools.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(b.own)}); err != nil {
		return err
	}
	if err := b.core(ctx); err != nil {
		return err
	}
	if err := b.passOfMembers(ctx); err != nil || !b.restartEachPass {
		return err
	}
	// Addresses come with the poll after the one that shows the instance: no process would live to
	// see them.
	if err := b.pollers.Poll(ctx, b.Accounts[0].Name); err != nil {
		return err
	}
	return b.passOfMembers(ctx)
}

func (b *bench) passOfMembers(ctx context.Context) error {
	machines, err := b.listMachines(ctx)
	for i := range machines {
		if err == nil {
			_, err = b.members.Reconcile(ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&machines[i])})
		}
	}
	return err
}

// core does what Cluster API's core does with MachinePool Machines: it makes a Machine for each
// infrastructure object, owns that, and deletes it before the Machine goes.
func (b *bench) core(ctx context.Context) error {
	objects, err := b.listMachines(ctx)
	if err != nil {
		return err
	}
	all := &clusterv1.MachineList{}
	if err := b.Client.List(ctx, all, client.InNamespace(b.Namespace)); err != nil {
		return err
	}
	made := map[string]bool{}
	for i := range all.Items {
		made[all.Items[i].Name] = true
	}
	for i := range objects {
		if object := &objects[i]; object.DeletionTimestamp.IsZero() && !made[object.Name] {
			if err := b.Client.Create(ctx, b.machineOf(object)); err != nil {
				return err
			}
		}
	}
	for i := range all.Items {
		machine := &all.Items[i]
		if machine.DeletionTimestamp.IsZero() {
			continue
		}
		object := &expv1.OCIMeshMachinePoolMachine{ObjectMeta: metav1.ObjectMeta{Namespace: machine.Namespace, Name: machine.Name}}
		err := b.Client.Delete(ctx, object)
		if apierrors.IsNotFound(err) {
			controllerutil.RemoveFinalizer(machine, drained)
			err = client.IgnoreNotFound(b.Client.Update(ctx, machine))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// machineOf is the Machine that Cluster API's core makes for an instance's object.
func (b *bench) machineOf(object *expv1.OCIMeshMachinePoolMachine) *clusterv1.Machine {
	return &clusterv1.Machine{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: object.Namespace, Name: object.Name, Labels: object.Labels, Finalizers: []string{drained},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(b.machinePool, clusterv1.GroupVersion.WithKind("MachinePool"))},
		},
		Spec: clusterv1.MachineSpec{
			ClusterName: b.cluster.Name, Bootstrap: clusterv1.Bootstrap{DataSecretName: ptr.To("")},
			InfrastructureRef: clusterv1.ContractVersionedObjectReference{APIGroup: expv1.GroupVersion.Group, Kind: "OCIMeshMachinePoolMachine", Name: object.Name},
		},
	}
}

func (b *bench) listMachines(ctx context.Context) ([]expv1.OCIMeshMachinePoolMachine, error) {
	list := &expv1.OCIMeshMachinePoolMachineList{}
	err := b.Client.List(ctx, list, client.InNamespace(b.Namespace))
	return list.Items, err
}

// machines are the objects that stand for instances.
func (b *bench) machines(t *testing.T) []expv1.OCIMeshMachinePoolMachine {
	t.Helper()
	machines, err := b.listMachines(t.Context())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return machines
}

// until makes passes until all is as expected.
func (b *bench) until(t *testing.T, check func(g Gomega)) {
	t.Helper()
	eventually(NewWithT(t), func(g Gomega) {
		g.Expect(b.pass(t.Context())).To(Succeed())
		g.Expect(client.IgnoreNotFound(b.Client.Get(t.Context(), client.ObjectKeyFromObject(b.own), b.own))).To(Succeed())
		check(g)
	})
}

// untilReady makes passes until the pool has so many instances and all of them are as they should
// be.
func (b *bench) untilReady(t *testing.T, replicas int) {
	t.Helper()
	b.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("Ready True Ready"), "conditions: %v", b.own.Status.Conditions)
		g.Expect(b.own.Status.Replicas).To(HaveValue(BeEquivalentTo(replicas)))
		g.Expect(b.machines(t)).To(HaveLen(replicas))
		g.Expect(b.instances(t)).To(HaveLen(replicas))
	})
	g := NewWithT(t)
	g.Expect(b.own.Spec.ProviderIDList).To(HaveLen(replicas))
	g.Expect(b.Control.Devices()).To(HaveLen(replicas))
	g.Expect(b.booter.problems()).To(BeEmpty())
}

func (b *bench) scaleTo(t *testing.T, replicas int32) {
	t.Helper()
	helpers.Update(t, b.Environment, b.machinePool, func(p *clusterv1.MachinePool) { p.Spec.Replicas = &replicas })
}

// delete deletes the pool and makes passes until it is gone.
func (b *bench) delete(t *testing.T) {
	t.Helper()
	NewWithT(t).Expect(client.IgnoreNotFound(b.Client.Delete(t.Context(), b.own))).To(Succeed())
	eventually(NewWithT(t), func(g Gomega) {
		g.Expect(b.pass(t.Context())).To(Succeed())
		err := b.Client.Get(t.Context(), client.ObjectKeyFromObject(b.own), b.own)
		g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "conditions: %v", b.own.Status.Conditions)
	})
}

// expectNothingLeft expects that of the pool there is nothing in OCI, in the tailnet or here.
func (b *bench) expectNothingLeft(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	left, err := b.OCI.Leftovers(b.Tenancies[0].Name)
	g.Expect(err).NotTo(HaveOccurred())
	for _, resource := range left {
		g.Expect(resource.Kind).To(BeElementOf("vcn", "subnet"), "%+v is left", resource)
	}
	g.Expect(b.Control.Leftovers().Devices).To(BeEmpty(), "devices")
	g.Expect(b.Control.Leftovers().Keys).To(BeEmpty(), "keys")
	g.Expect(b.machines(t)).To(BeEmpty())
	secrets := &corev1.SecretList{}
	g.Expect(b.Client.List(t.Context(), secrets, client.InNamespace(b.ManagerNamespace))).To(Succeed())
	g.Expect(secrets.Items).To(BeEmpty(), "the key's Secret")
}

func (b *bench) instances(t *testing.T) []sim.Machine {
	t.Helper()
	machines, err := b.OCI.Machines(b.Tenancies[0].Name)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return machines
}

// left counts the resources of a kind.
func (b *bench) left(t *testing.T, kind string) int {
	t.Helper()
	left, err := b.OCI.Leftovers(b.Tenancies[0].Name)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	count := 0
	for _, resource := range left {
		if resource.Kind == kind {
			count++
		}
	}
	return count
}

func (b *bench) calls(operation string) int { return b.OCI.CallCounts(b.Tenancies[0].Name)[operation] }
