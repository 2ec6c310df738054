// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/image"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolmachine"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

var env *helpers.Environment

func TestMain(m *testing.M) { os.Exit(helpers.Run(m, &env)) }

const (
	// patience is how long anything may take.
	patience = 2 * time.Minute
	tick     = 5 * time.Millisecond
	shape    = "VM.Standard.A1.Flex"
	// uid is the identity of the pool that is attacked, other that of another one.
	uid, other = "11111111-aaaa-bbbb-cccc-000000000000", "22222222-aaaa-bbbb-cccc-000000000000"
)

// bench is two accounts, with an instance in the first once it is launched, and the reconciler, of
// which each pass is one of a new process.
type bench struct {
	*helpers.World
	recorder *helpers.Recorder
	subnet   string
	image    string
	// instance is the OCID of the one in the first account.
	instance string
	// managementCluster is the bench as one with claims; empty claims nothing.
	managementCluster string
	// advance is by how much the reconcilers' time is ahead of the real one.
	advance time.Duration
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{recorder: &helpers.Recorder{}}
	b.World = helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 2})
	b.MakeReady(t)
	b.makeNetwork(t)
	return b
}

func (b *bench) client(t *testing.T) *oci.Client {
	t.Helper()
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}

func (b *bench) makeNetwork(t *testing.T) {
	t.Helper()
	g, c := NewWithT(t), b.client(t)
	b.subnet = b.Network(t, 0).SubnetID
	var err error
	b.image, err = image.Find(t.Context(), c, image.Query{
		Image: infrav1.Image{Platform: infrav1.PlatformImage{OperatingSystem: "Canonical Ubuntu", Version: "24.04"}}, Shape: shape,
	})
	g.Expect(err).NotTo(HaveOccurred())
}

// launch makes a running instance with a data volume, behind the provider's back.
func (b *bench) launch(t *testing.T, tags map[string]string) {
	t.Helper()
	g := NewWithT(t)
	launched, err := b.client(t).LaunchInstance(t.Context(), oci.LaunchSpec{
		DisplayName: "somebody", AvailabilityDomain: b.Tenancies[0].AvailabilityDomains()[0], Shape: shape, OCPUs: 1, MemoryGB: 6,
		ImageID: b.image, SubnetID: b.subnet, Tags: tags,
		DataVolumes: []oci.LaunchVolume{{VolumeSize: oci.VolumeSize{GB: 50}, DisplayName: "data", Device: "/dev/oracleoci/oraclevdb"}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	eventually(g, func(g Gomega) { g.Expect(b.OCI.InstanceState(launched.ID)).To(Equal("RUNNING")) })
	b.instance = launched.ID
}

// state is OCI's of the instance.
func (b *bench) state() string { return b.OCI.InstanceState(b.instance) }

// cluster makes a Cluster with its OCIMeshCluster in the namespace.
func (b *bench) cluster(t *testing.T, namespace string) {
	t.Helper()
	cluster := helpers.NewCluster(namespace, "blue")
	b.Create(t, cluster)
	b.Create(t, helpers.NewOCIMeshCluster(cluster, b.Tailnet.Name, b.AccountNames()))
	b.ProvisionInfrastructure(t, cluster)
}

// pool is a machine pool in the first account that says that it was first seen with the identity.
func (b *bench) pool(t *testing.T, namespace, name, identity string) {
	t.Helper()
	pool := &expv1.OCIMeshMachinePool{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Labels: map[string]string{clusterv1.ClusterNameLabel: "blue"},
			Annotations: map[string]string{infrav1.IdentityAnnotation: fmt.Sprintf("%s/%s/%s", namespace, name, identity)},
		},
		Spec: expv1.OCIMeshMachinePoolSpec{
			Account: b.Accounts[0].Name, Shape: infrav1.Shape{Name: shape, OCPUs: 1, MemoryGB: 6},
			Image: infrav1.Image{Platform: infrav1.PlatformImage{OperatingSystem: "Canonical Ubuntu", Version: "24.04"}},
		},
	}
	b.Create(t, pool)
}

// machine makes an object that says it stands for the instance, as the pool's controller would have
// made it.
func (b *bench) machine(namespace, pool, identity string) *expv1.OCIMeshMachinePoolMachine {
	return &expv1.OCIMeshMachinePoolMachine{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: cloudinit.InstanceHostname(pool+"-"+identity[:8], b.instance),
			Finalizers: []string{expv1.OCIMeshMachinePoolMachineFinalizer}, Labels: map[string]string{clusterv1.ClusterNameLabel: "blue"},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: expv1.GroupVersion.String(), Kind: "OCIMeshMachinePool", Name: pool, UID: "any",
			}},
		},
		Spec: expv1.OCIMeshMachinePoolMachineSpec{ProviderID: "oci://" + b.instance},
	}
}

// tagsOf are what a pool's instances are tagged with.
func tagsOf(identity, namespace, name string) map[string]string {
	return map[string]string{infrav1.MachinePoolUIDTag: identity, infrav1.MachinePoolNameTag: namespace + "/" + name}
}

// reconciler is one of a new process, which has polled the first account.
func (b *bench) reconciler(t *testing.T) *poolmachine.Reconciler {
	t.Helper()
	now := func() time.Time { return time.Now().Add(b.advance) }
	pollers := poller.New(env.Client, b.Clients, poller.Options{PollInterval: tick, ProgressInterval: tick, Clock: now})
	_ = pollers.Poll(t.Context(), b.Accounts[0].Name)
	var held *claims.Claims
	if b.managementCluster != "" {
		held = claims.New(b.managementCluster, time.Hour)
	}
	return &poolmachine.Reconciler{
		Client: env.Client, Access: b.Clients, Pollers: pollers, Recorder: b.recorder, Claims: held,
		Devices: tailnetnode.Statuses{Client: env.Client, Others: poolmachine.DeviceKinds()},
		Options: poolmachine.Options{Intervals: phases.Intervals{Poll: tick, Retry: tick}, Clock: now},
	}
}

func (b *bench) reconcile(t *testing.T, g Gomega, r *poolmachine.Reconciler, object *expv1.OCIMeshMachinePoolMachine) {
	t.Helper()
	_, err := r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(object)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(client.IgnoreNotFound(b.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object))).To(Succeed())
}

// node is an object of a pool that is there, for a running instance of that.
func (b *bench) node(t *testing.T) *expv1.OCIMeshMachinePoolMachine {
	t.Helper()
	b.launch(t, tagsOf(uid, b.Namespace, "workers"))
	return b.nodeOf(t)
}

// nodeOf is an object for the instance, of a pool that is there.
func (b *bench) nodeOf(t *testing.T) *expv1.OCIMeshMachinePoolMachine {
	t.Helper()
	b.cluster(t, b.Namespace)
	b.pool(t, b.Namespace, "workers", uid)
	object := b.machine(b.Namespace, "workers", uid)
	b.Create(t, object)
	return object
}

// join is what the instance does once it has booted: it has a device of the object's name.
func (b *bench) join(object client.Object) tailnetsim.Device {
	return b.Control.Add(object.GetName(), func(d *tailnetsim.Device) { d.Tags, d.KeyExpiryDisabled = []string{helpers.NodeTag}, true })
}

// joined is a node that is handed over to Cluster API, and its device.
func (b *bench) joined(t *testing.T) (*expv1.OCIMeshMachinePoolMachine, tailnetsim.Device) {
	t.Helper()
	object := b.node(t)
	device := b.join(object)
	b.until(t, object, func(g Gomega) {
		g.Expect(object.Status.Initialization.Provisioned).To(HaveValue(BeTrue()), "conditions: %v", object.Status.Conditions)
	})
	return object, device
}

// until polls and reconciles, in one process, until all is as expected.
func (b *bench) until(t *testing.T, object *expv1.OCIMeshMachinePoolMachine, check func(g Gomega)) {
	t.Helper()
	r := b.reconciler(t)
	eventually(NewWithT(t), func(g Gomega) {
		g.Expect(r.Pollers.Poll(t.Context(), b.Accounts[0].Name)).To(Succeed())
		b.reconcile(t, g, r, object)
		check(g)
	})
}

// untilConditions polls and reconciles until Ready, InstanceReady and TailnetReady of an object
// that nobody deletes are as expected, each as "Status Reason".
func (b *bench) untilConditions(t *testing.T, object *expv1.OCIMeshMachinePoolMachine, ready, instance, tailnet string) {
	t.Helper()
	want := []string{
		"Ready " + ready, "InstanceReady " + instance, "TailnetReady " + tailnet, "Deleting False NotDeleting", "Paused False NotPaused",
	}
	b.until(t, object, func(g Gomega) { g.Expect(helpers.ConditionsOf(object)).To(ConsistOf(want)) })
	helpers.ExpectConditions(t, object, want...)
}

// untilDeletionWaits deletes the object, polls and reconciles until its deletion waits for the
// reason.
func (b *bench) untilDeletionWaits(t *testing.T, object *expv1.OCIMeshMachinePoolMachine, reason string) {
	t.Helper()
	NewWithT(t).Expect(b.Client.Delete(t.Context(), object)).To(Succeed())
	want := []string{
		"Ready False " + reason, "InstanceReady False Deleting", "TailnetReady False Deleting", "Deleting True " + reason, "Paused False NotPaused",
	}
	b.until(t, object, func(g Gomega) { g.Expect(helpers.ConditionsOf(object)).To(ConsistOf(want)) })
	helpers.ExpectConditions(t, object, want...)
}

// again makes an object anew that somebody has deleted.
func again[T client.Object](t *testing.T, b *bench, object T) T {
	t.Helper()
	copied := object.DeepCopyObject().(T)
	copied.SetResourceVersion("")
	copied.SetUID("")
	b.Create(t, copied)
	return copied
}

// infraCluster is the OCIMeshCluster of the test's namespace.
func (b *bench) infraCluster(t *testing.T) *infrav1.OCIMeshCluster {
	t.Helper()
	infra := &infrav1.OCIMeshCluster{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "blue"}}
	b.Reload(t, infra)
	return infra
}

// volumes are how many data volumes the first account has.
func (b *bench) volumes(t *testing.T) int {
	t.Helper()
	left, err := b.OCI.Leftovers(b.Tenancies[0].Name)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	count := 0
	for _, resource := range left {
		if resource.Kind == "volume" {
			count++
		}
	}
	return count
}

func (b *bench) calls(operation string) int { return b.OCI.CallCounts(b.Tenancies[0].Name)[operation] }

// pass polls the first account and reconciles the object once, in a new process.
func (b *bench) pass(t *testing.T, g Gomega, object *expv1.OCIMeshMachinePoolMachine) {
	t.Helper()
	b.reconcile(t, g, b.reconciler(t), object)
}

// delete deletes the object and makes passes until it is gone.
func (b *bench) delete(t *testing.T, object *expv1.OCIMeshMachinePoolMachine) {
	t.Helper()
	NewWithT(t).Expect(b.Client.Delete(t.Context(), object)).To(Succeed())
	b.untilGone(t, object)
}

func (b *bench) untilGone(t *testing.T, object *expv1.OCIMeshMachinePoolMachine) {
	t.Helper()
	eventually(NewWithT(t), func(g Gomega) {
		b.pass(t, g, object)
		err := b.Client.Get(t.Context(), client.ObjectKeyFromObject(object), object)
		g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "conditions: %v", object.Status.Conditions)
	})
}

// expectUntouched expects instance and volumes as they were.
func (b *bench) expectUntouched(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(b.OCI.InstanceState(b.instance)).To(Equal("RUNNING"))
	g.Expect(b.volumes(t)).To(Equal(1))
	for _, operation := range []string{"TerminateInstance", "DetachInstancePoolInstance", "DeleteVolume", "DeleteBootVolume"} {
		g.Expect(b.calls(operation)).To(BeZero(), operation)
	}
}

func eventually(g *WithT, check func(g Gomega)) {
	g.Eventually(check).WithTimeout(patience).WithPolling(tick).Should(Succeed())
}
