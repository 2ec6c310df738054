// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"net/netip"
	"os"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

var env *helpers.Environment

func TestMain(m *testing.M) { os.Exit(helpers.Run(m, &env)) }

const (
	patience = 2 * time.Minute
	tick     = 5 * time.Millisecond
	// timeout30 is the time-out of each step of the bench's requests, in seconds.
	timeout30 = 30
)

// bench is a machine with an instance in a simulated account, unhealthy as its MachineHealthCheck
// says, with a request to repair it.
type bench struct {
	*helpers.World
	r       *Reconciler
	oci     *oci.Client
	machine *clusterv1.Machine
	infra   *infrav1.OCIMeshMachine
	own     *infrav1.OCIMeshRemediation
	ahead   time.Duration
}

// newBench has a step of each action, each with one try.
func newBench(t *testing.T, change ...func(*infrav1.OCIMeshMachine)) *bench {
	t.Helper()
	return newBenchIn(t, sim.Options{}, change...)
}

// newBenchIn is newBench in a simulator with the options.
func newBenchIn(t *testing.T, options sim.Options, change ...func(*infrav1.OCIMeshMachine)) *bench {
	t.Helper()
	g := NewWithT(t)
	b := &bench{World: helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1, Alone: true, Sim: options})}
	b.MakeReady(t)
	var err error
	b.oci, err = b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	cluster := helpers.NewCluster(b.Namespace, "blue")
	b.Create(t, cluster)
	b.machine = helpers.NewMachine(cluster, "node")
	b.Create(t, b.machine)
	b.machine.Status.NodeRef = clusterv1.MachineNodeReference{Name: "node"}
	b.setHealth(t, metav1.ConditionFalse)
	b.infra = helpers.NewOCIMeshMachine(b.machine, change...)
	b.Create(t, b.infra)
	b.infra.Status.Placement = infrav1.Placement{
		Attempt: 1, Account: b.Accounts[0].Name, AvailabilityDomain: b.Tenancies[0].AvailabilityDomains()[0], Shape: "VM.Standard.A1.Flex",
	}
	b.infra.Status.Instance.ID = b.launch(t, identity.OfMachine(b.infra).Tags())
	g.Expect(b.Client.Status().Update(t.Context(), b.infra)).To(Succeed())
	b.own = b.request(t, b.machine)
	b.r = &Reconciler{
		Client: b.Client, Access: b.Clients, Pollers: poller.New(b.Client, b.Clients, poller.Options{PollInterval: tick, ProgressInterval: tick}),
		Options: Options{Intervals: phases.Intervals{Poll: tick, Retry: tick}, Clock: func() time.Time { return time.Now().Add(b.ahead) }},
	}
	return b
}

// request is what a MachineHealthCheck makes for the Machine.
func (b *bench) request(t *testing.T, machine *clusterv1.Machine) *infrav1.OCIMeshRemediation {
	t.Helper()
	own := &infrav1.OCIMeshRemediation{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: b.Namespace, Name: machine.Name,
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: clusterv1.GroupVersion.String(), Kind: "Machine", Name: machine.Name, UID: machine.UID,
			}},
		},
		Spec: infrav1.OCIMeshRemediationSpec{Steps: []infrav1.RemediationStep{
			{Action: infrav1.RemediationStart, Tries: 1, TimeoutSeconds: timeout30},
			{Action: infrav1.RemediationSoftReset, Tries: 1, TimeoutSeconds: timeout30},
			{Action: infrav1.RemediationReset, Tries: 1, TimeoutSeconds: timeout30},
		}},
	}
	b.Create(t, own)
	return own
}

// launch makes an instance with the tags, and returns its OCID once it runs.
func (b *bench) launch(t *testing.T, tags map[string]string) string {
	t.Helper()
	g := NewWithT(t)
	vcn, err := b.oci.CreateVCN(t.Context(), oci.VCNSpec{DisplayName: "net", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}})
	g.Expect(err).NotTo(HaveOccurred())
	var subnet oci.Subnet
	g.Eventually(func() error {
		subnet, err = b.oci.CreateSubnet(t.Context(), oci.SubnetSpec{VCNID: vcn.ID, DisplayName: "net", CIDR: netip.MustParsePrefix("10.0.0.0/20")})
		return err
	}, patience, tick).Should(Succeed())
	images, err := b.oci.Images(t.Context(), oci.ImageFilter{Platform: true, OperatingSystem: "Canonical Ubuntu", OperatingSystemVersion: "24.04", Shape: "VM.Standard.A1.Flex"})
	g.Expect(err).NotTo(HaveOccurred())
	var launched oci.Instance
	g.Eventually(func() error {
		launched, err = b.oci.LaunchInstance(t.Context(), oci.LaunchSpec{
			DisplayName: "node", AvailabilityDomain: b.infra.Status.Placement.AvailabilityDomain, Shape: "VM.Standard.A1.Flex",
			OCPUs: 1, MemoryGB: 6, ImageID: images[0].ID, SubnetID: subnet.ID, Tags: tags, Preemptible: b.infra.Spec.IsPreemptible(),
		})
		return err
	}, patience, tick).Should(Succeed())
	b.untilState(t, launched.ID, oci.StateRunning)
	return launched.ID
}

func (b *bench) untilState(t *testing.T, id string, state oci.LifecycleState) {
	t.Helper()
	NewWithT(t).Eventually(func() string { return b.OCI.InstanceState(id) }, patience, tick).Should(Equal(string(state)))
}

// stop stops the instance, as Oracle does.
func (b *bench) stop(t *testing.T) {
	t.Helper()
	NewWithT(t).Expect(b.OCI.StopInstance(b.infra.Status.Instance.ID)).To(Succeed())
	b.untilState(t, b.infra.Status.Instance.ID, oci.StateStopped)
}

// setHealth writes what a MachineHealthCheck writes.
func (b *bench) setHealth(t *testing.T, status metav1.ConditionStatus) {
	t.Helper()
	conditions.Set(b.machine, metav1.Condition{Type: clusterv1.MachineHealthCheckSucceededCondition, Status: status, Reason: "Test"})
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), b.machine)).To(Succeed())
}

// pass reconciles once.
func (b *bench) pass(t *testing.T) ctrl.Result {
	t.Helper()
	result, err := b.r.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(b.own)})
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(client.IgnoreNotFound(b.Client.Get(t.Context(), client.ObjectKeyFromObject(b.own), b.own))).To(Succeed())
	g.Expect(client.IgnoreNotFound(b.Client.Get(t.Context(), client.ObjectKeyFromObject(b.machine), b.machine))).To(Succeed())
	return result
}

// untilSent reconciles until one try more is sent: the finalizer, the decision, the call.
func (b *bench) untilSent(t *testing.T, action infrav1.RemediationAction) {
	t.Helper()
	tries := len(b.own.Status.Attempts)
	NewWithT(t).Eventually(func(g Gomega) {
		b.pass(t)
		attempts := b.own.Status.Attempts
		g.Expect(len(attempts)).To(Equal(tries+1), "%v", b.own.Status.Conditions)
		g.Expect(attempts[tries].Action).To(Equal(action))
		g.Expect(attempts[tries].SentAt.IsZero()).To(BeFalse())
	}, patience, tick).Should(Succeed())
}

// until reconciles until there is a condition, as "Type Status Reason".
func (b *bench) until(t *testing.T, condition string) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) {
		b.pass(t)
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement(condition), "%v", b.own.Status.Conditions)
	}, patience, tick).Should(Succeed())
}

// timeOut has the last try end.
func (b *bench) timeOut(t *testing.T) {
	t.Helper()
	b.untilState(t, b.infra.Status.Instance.ID, oci.StateRunning)
	b.ahead += (timeout30 + 2) * time.Second
}

func (b *bench) actions() int { return b.OCI.CallCounts("")["InstanceAction"] }
