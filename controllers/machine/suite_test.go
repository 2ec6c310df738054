// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

var env *helpers.Environment

func TestMain(m *testing.M) { os.Exit(helpers.Run(m, &env)) }

const (
	// patience is how long anything may take, on a busy machine too.
	patience = 2 * time.Minute
	tick     = 5 * time.Millisecond
	vip      = "10.250.0.1"
)

// bench is a provisioned cluster in simulated accounts, and a reconciler that the test drives pass
// by pass.
type bench struct {
	*helpers.World
	r       *Reconciler
	pollers *poller.Pollers
	booter  *joiner
	cluster *clusterv1.Cluster
	infra   *infrav1.OCIMeshCluster

	mu      sync.Mutex
	advance time.Duration
}

// newBench has one account, unless the options say otherwise.
func newBench(t *testing.T, options helpers.WorldOptions) *bench {
	t.Helper()
	if options.Accounts == 0 {
		options.Accounts = 1
	}
	b := &bench{booter: &joiner{joined: map[string]string{}}}
	options.Sim.Booter = b.booter
	if options.Limits != nil {
		options.Limits.Clock = b.now
	}
	b.World = helpers.NewWorld(t, env, options)
	b.booter.control = b.Control
	b.MakeReady(t)
	b.pollers = poller.New(env.Client, b.Clients, poller.Options{PollInterval: tick, ProgressInterval: tick, Clock: b.now})
	b.r = b.reconciler()
	b.cluster, b.infra = b.newCluster(t, "blue")
	return b
}

func (b *bench) reconciler() *Reconciler {
	options := Options{Intervals: phases.Intervals{Poll: tick, Retry: tick}, Clock: b.now}
	return &Reconciler{
		Client: ownAccounts{b.Client, b.AccountNames()}, APIReader: b.Client, Access: b.Clients, Pollers: b.pollers,
		KeyNamespace: b.ManagerNamespace, Options: options, Scheduler: b.scheduler(b.Client, options), Devices: tailnetnode.Statuses{Client: b.Client},
	}
}

// scheduler is a fresh one.
func (b *bench) scheduler(reader client.Reader, options Options) *scheduling.Scheduler {
	return scheduling.New(scheduling.Options{
		Client: reader, APIReader: b.Client, Access: b.Clients, Pollers: b.pollers,
		PollInterval: options.Intervals.Poll, Clock: options.Clock,
	})
}

// ownAccounts lists the bench's accounts only: those of other tests, on the same API server, are
// not polled here.
type ownAccounts struct {
	client.Client
	names []string
}

func (c ownAccounts) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if err := c.Client.List(ctx, list, options...); err != nil {
		return err
	}
	if accounts, ok := list.(*infrav1.OCIAccountList); ok {
		accounts.Items = slices.DeleteFunc(accounts.Items, func(a infrav1.OCIAccount) bool { return !slices.Contains(c.names, a.Name) })
	}
	return nil
}

// now is the reconciler's time: the real one, moved on by sleep.
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

// newCluster is a Cluster with networks in all accounts.
func (b *bench) newCluster(t *testing.T, name string, change ...func(*infrav1.OCIMeshCluster)) (*clusterv1.Cluster, *infrav1.OCIMeshCluster) {
	t.Helper()
	cluster := helpers.NewCluster(b.Namespace, name)
	b.Create(t, cluster)
	infra := helpers.NewOCIMeshCluster(cluster, b.Tailnet.Name, b.AccountNames(), func(infra *infrav1.OCIMeshCluster) {
		infra.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{Host: vip, Port: 6443}
		for _, f := range change {
			f(infra)
		}
	})
	b.Create(t, infra)
	for i := range b.Accounts {
		infra.Status.Accounts = append(infra.Status.Accounts, b.Network(t, i))
	}
	infra.Status.Initialization.Provisioned = ptr.To(true)
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), infra)).To(Succeed())
	b.allocateVIP(t, infra)
	b.ProvisionInfrastructure(t, cluster)
	return cluster, infra
}

// allocateVIP has the Tailnet name the cluster, and no other, as the holder of its address.
func (b *bench) allocateVIP(t *testing.T, infra *infrav1.OCIMeshCluster) {
	t.Helper()
	b.Reload(t, b.Tailnet)
	b.Tailnet.Status.VIPAllocations = []infrav1.VIPAllocation{{
		Address: infra.Spec.ControlPlaneEndpoint.Host, Namespace: infra.Namespace, Name: infra.Name, UID: string(infra.UID),
	}}
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), b.Tailnet)).To(Succeed())
}

func eventually(g *WithT, check func(g Gomega)) {
	g.Eventually(check).WithTimeout(patience).WithPolling(tick).Should(Succeed())
}

// machine is a machine of the bench's cluster, with its Machine and bootstrap data.
func (b *bench) machine(t *testing.T, name string, change ...func(*clusterv1.Machine, *infrav1.OCIMeshMachine)) *infrav1.OCIMeshMachine {
	t.Helper()
	machine := helpers.NewMachine(b.cluster, name)
	own := helpers.NewOCIMeshMachine(machine)
	for _, f := range change {
		f(machine, own)
	}
	b.Create(t, machine)
	if machine.Spec.Bootstrap.DataSecretName != nil {
		b.Create(t, helpers.NewBootstrapSecret(machine, helpers.BootstrapData))
	}
	made := helpers.NewOCIMeshMachine(machine)
	made.Spec, made.Labels = own.Spec, machine.Labels
	b.Create(t, made)
	t.Cleanup(func() { b.forsake(t, made.Name) })
	return made
}

// forsake takes away a machine that a test leaves, whatever it stands for: decisions of other tests
// would list it.
func (b *bench) forsake(t *testing.T, name string) {
	left := &infrav1.OCIMeshMachine{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: name}}
	free := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	for _, err := range []error{b.Client.Patch(context.Background(), left, free), b.Client.Delete(context.Background(), left)} {
		if client.IgnoreNotFound(err) != nil {
			t.Errorf("taking away machine %s: %s", name, err)
		}
	}
}

func controlPlane(machine *clusterv1.Machine, _ *infrav1.OCIMeshMachine) {
	helpers.ControlPlane(machine)
}

func requestOf(own *infrav1.OCIMeshMachine) ctrl.Request {
	return ctrl.Request{NamespacedName: client.ObjectKeyFromObject(own)}
}

// poll polls all accounts once.
func (b *bench) poll(ctx context.Context) error {
	for _, account := range b.Accounts {
		if err := b.pollers.Poll(ctx, account.Name); err != nil {
			return err
		}
	}
	return nil
}

// pass polls all accounts and reconciles once.
func (b *bench) pass(t *testing.T, own *infrav1.OCIMeshMachine) ctrl.Result {
	t.Helper()
	g := NewWithT(t)
	g.Expect(b.poll(t.Context())).To(Succeed())
	result, err := b.r.Reconcile(t.Context(), requestOf(own))
	g.Expect(err).NotTo(HaveOccurred())
	return result
}

// until reconciles until the machine is as expected.
func (b *bench) until(t *testing.T, own *infrav1.OCIMeshMachine, check func(g Gomega)) {
	t.Helper()
	eventually(NewWithT(t), func(g Gomega) {
		g.Expect(b.poll(t.Context())).To(Succeed())
		_, err := b.r.Reconcile(t.Context(), requestOf(own))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(client.IgnoreNotFound(b.Client.Get(t.Context(), client.ObjectKeyFromObject(own), own))).To(Succeed())
		check(g)
	})
}

func (b *bench) untilProvisioned(t *testing.T, own *infrav1.OCIMeshMachine) {
	t.Helper()
	b.until(t, own, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(own)).To(ContainElement("Ready True Ready"), "messages: %v", own.Status.Conditions)
	})
}

// untilCondition reconciles until there is a condition, as "Type Status Reason".
func (b *bench) untilCondition(t *testing.T, own *infrav1.OCIMeshMachine, want string) {
	t.Helper()
	b.until(t, own, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(own)).To(ContainElement(want), "conditions: %v", own.Status.Conditions)
	})
	condition, _, _ := strings.Cut(want, " ")
	NewWithT(t).Expect(helpers.MessageOf(own, condition)).NotTo(BeEmpty())
}

// delete deletes the machine and reconciles until it is gone.
func (b *bench) delete(t *testing.T, own *infrav1.OCIMeshMachine) {
	t.Helper()
	NewWithT(t).Expect(client.IgnoreNotFound(b.Client.Delete(t.Context(), own))).To(Succeed())
	eventually(NewWithT(t), func(g Gomega) {
		g.Expect(b.poll(t.Context())).To(Succeed())
		_, err := b.r.Reconcile(t.Context(), requestOf(own))
		g.Expect(err).NotTo(HaveOccurred())
		err = b.Client.Get(t.Context(), client.ObjectKeyFromObject(own), own)
		g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "conditions: %v", own.Status.Conditions)
	})
}

// instances are all instances of all accounts but TERMINATED ones.
func (b *bench) instances(t *testing.T) []sim.Machine {
	t.Helper()
	var all []sim.Machine
	for _, tenancy := range b.Tenancies {
		machines, err := b.OCI.Machines(tenancy.Name)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		all = append(all, machines...)
	}
	return all
}

// expectNothingLeft expects that of machines there is neither instance, volume, device, key nor
// Secret.
func (b *bench) expectNothingLeft(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	for _, tenancy := range b.Tenancies {
		left, err := b.OCI.Leftovers(tenancy.Name)
		g.Expect(err).NotTo(HaveOccurred())
		for _, resource := range left {
			g.Expect(resource.Kind).To(BeElementOf("Vcn", "Subnet", "vcn", "subnet"), "%+v is left", resource)
		}
	}
	left := b.Control.Leftovers()
	g.Expect(left.Devices).To(BeEmpty(), "devices")
	g.Expect(left.Keys).To(BeEmpty(), "keys")
	secrets := &corev1.SecretList{}
	g.Expect(b.Client.List(t.Context(), secrets, client.InNamespace(b.ManagerNamespace))).To(Succeed())
	g.Expect(secrets.Items).To(BeEmpty())
}

// calls counts the calls of an operation in all accounts.
func (b *bench) calls(operation string) int {
	count := 0
	for _, tenancy := range b.Tenancies {
		count += b.OCI.CallCounts(tenancy.Name)[operation]
	}
	return count
}

// joiner boots machines as far as the tailnet: it reads the user data as a node would and joins
// with the key in it.
type joiner struct {
	control *tailnetsim.Server

	mu     sync.Mutex
	asleep bool
	stops  int
	// joined is the device of each instance; failures are why machines could not join.
	joined   map[string]string
	failures []error
}

func (j *joiner) setAsleep(asleep bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.asleep = asleep
}

// stopped is how often machines were stopped or restarted.
func (j *joiner) stopped() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.stops
}

// Boot joins the tailnet, once for each instance: the state is on its disk.
func (j *joiner) Boot(ctx context.Context, machine sim.Machine) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	if id, known := j.joined[machine.ID]; known {
		_ = j.control.SetOnline(id, true)
		return
	}
	if j.asleep {
		return
	}
	parsed, err := cloudinit.Parse(machine.UserData)
	if err != nil {
		j.failures = append(j.failures, err)
		return
	}
	device, err := j.control.Register(string(parsed.AuthKey), parsed.Hostname)
	if err != nil {
		j.failures = append(j.failures, fmt.Errorf("joining: %w", err))
		return
	}
	j.joined[machine.ID] = device.ID
	if parsed.VIP && parsed.ControlPlane {
		host := netip.MustParseAddr(parsed.EndpointHost)
		_ = j.control.Advertise(device.ID, netip.PrefixFrom(host, host.BitLen()), netip.MustParsePrefix("10.99.0.0/16"))
	}
}

// Stop takes the device offline.
func (j *joiner) Stop(_ context.Context, machine sim.Machine) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stops++
	if id, known := j.joined[machine.ID]; known {
		_ = j.control.SetOnline(id, false)
	}
}

// forget says that the server does not know the instance's device any more.
func (j *joiner) forget(instance string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.joined, instance)
}

// Terminate takes the device offline; it stays in the tailnet until somebody deletes it.
func (j *joiner) Terminate(ctx context.Context, machine sim.Machine) { j.Stop(ctx, machine) }
