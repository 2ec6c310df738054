// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

const arm = "VM.Standard.A1.Flex"

func (b *bench) setCapacity(t *testing.T, account int, key sim.CapacityKey, instances int) {
	t.Helper()
	NewWithT(t).Expect(b.OCI.SetCapacity(b.Tenancies[account].Name, key, instances)).To(Succeed())
}

func TestMachinesOfAGroupAreSpreadOverAccounts(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 3})
	domains := map[string]int{}
	for _, name := range []string{"one", "two", "three"} {
		own := b.machine(t, name, controlPlane)
		b.untilProvisioned(t, own)
		domains[own.Status.FailureDomain]++
	}
	g.Expect(domains).To(HaveLen(3))
}

func TestWithoutRoomTheMachineMovesOnByFaultDomainThenAvailabilityDomainThenAccount(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2, Tenancy: func(_ int, tenancy *sim.Tenancy) { tenancy.ADs = 3 }})
	ads := b.Tenancies[0].AvailabilityDomains()
	// Room is only in the last place of the way.
	b.setCapacity(t, 0, sim.CapacityKey{AvailabilityDomain: ads[0]}, 0)
	b.setCapacity(t, 0, sim.CapacityKey{AvailabilityDomain: ads[1]}, 0)
	b.setCapacity(t, 0, sim.CapacityKey{AvailabilityDomain: ads[2]}, 0)
	own := b.machine(t, "worker")
	b.untilProvisioned(t, own)
	var way []string
	for _, without := range own.Status.Shortages {
		way = append(way, without.AvailabilityDomain+" "+without.FaultDomain)
	}
	way = append(way, own.Status.Placement.AvailabilityDomain+" "+own.Status.Placement.FaultDomain)

	there := b.Tenancies[1].AvailabilityDomains()[0]
	g.Expect(way).To(Equal([]string{
		ads[0] + " FAULT-DOMAIN-1", ads[0] + " FAULT-DOMAIN-2", ads[0] + " FAULT-DOMAIN-3",
		ads[1] + " FAULT-DOMAIN-1", ads[1] + " FAULT-DOMAIN-2", ads[1] + " FAULT-DOMAIN-3",
		ads[2] + " FAULT-DOMAIN-1", ads[2] + " FAULT-DOMAIN-2", ads[2] + " FAULT-DOMAIN-3",
		there + " FAULT-DOMAIN-1",
	}))
	g.Expect(own.Status.Placement.Attempt).To(BeEquivalentTo(10))
	g.Expect(own.Status.Shortages).To(HaveLen(9))
	g.Expect(b.Control.Keys()).To(HaveLen(1), "one key serves all attempts")

	// What one machine found out, the next one need not.
	launches := b.calls("LaunchInstance")
	next := b.machine(t, "next")
	b.untilProvisioned(t, next)
	g.Expect(b.calls("LaunchInstance")).To(Equal(launches + 1))
}

func TestALimitLeavesTheShapeOutInItsAvailabilityDomain(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Tenancy: func(_ int, tenancy *sim.Tenancy) {
		tenancy.ADs = 3
		tenancy.Compartments = append(tenancy.Compartments, sim.Compartment{Name: "elsewhere", OCID: "ocid1.compartment.oc1..elsewhere"})
		tenancy.Limits = map[string]int64{"standard-a1-core-count": 4}
	}})
	ads := b.Tenancies[0].AvailabilityDomains()
	own := b.machine(t, "worker")
	b.untilPlaced(t, own)
	g.Expect(own.Status.Placement.AvailabilityDomain).To(Equal(ads[0]))
	elsewhere := b.Accounts[0].DeepCopy()
	elsewhere.Spec.CompartmentID = b.Tenancies[0].Compartments[1].OCID
	c, err := b.Clients.OCI(t.Context(), elsewhere)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = c.LaunchInstance(t.Context(), oci.LaunchSpec{
		DisplayName: "of-another-compartment", AvailabilityDomain: ads[0], Shape: arm, OCPUs: 4, MemoryGB: 24,
		ImageID: own.Status.Placement.ImageID, SubnetID: b.infra.Status.Accounts[0].SubnetID,
	})
	g.Expect(err).NotTo(HaveOccurred())
	b.OCI.ResetCalls()

	b.untilProvisioned(t, own)

	g.Expect(own.Status.Placement.AvailabilityDomain).To(Equal(ads[1]))
	g.Expect(own.Status.Shortages).To(HaveLen(1))
	g.Expect(own.Status.Shortages[0]).To(And(
		HaveField("Reason", "LimitExceeded"), HaveField("AvailabilityDomain", ads[0]), HaveField("FaultDomain", BeEmpty()),
	))
	g.Expect(b.calls("LaunchInstance")).To(Equal(2), "a limit is the same in all fault domains")
}

func TestALimitOfTheWholeRegionIsFoundOnceInEachAvailabilityDomain(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2, Tenancy: func(_ int, tenancy *sim.Tenancy) { tenancy.ADs = 3 }})
	b.OCI.AddFault(sim.Fault{
		Tenancy: b.Tenancies[0].Name, Operation: "LaunchInstance", Status: 400, Code: "LimitExceeded",
		Message: "The following service limits were exceeded: standard-a1-core-regional-count.", Times: -1,
	})
	own := b.machine(t, "worker")
	b.untilProvisioned(t, own)

	g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[1].Name))
	g.Expect(own.Status.Shortages).To(HaveLen(3))
	g.Expect(b.calls("LaunchInstance")).To(Equal(4))
}

func TestAnotherShapeIsTakenBeforeAnotherAccount(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	b.setCapacity(t, 0, sim.CapacityKey{Shape: arm}, 0)
	own := b.machine(t, "worker", func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) {
		own.Spec.Shapes = append(own.Spec.Shapes, infrav1.Shape{Name: "VM.Standard.E5.Flex", OCPUs: 1, MemoryGB: 8})
	})
	b.untilProvisioned(t, own)

	g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[0].Name))
	g.Expect(own.Status.Placement.Shape).To(Equal("VM.Standard.E5.Flex"))
	g.Expect(b.instances(t)[0].Arch).To(Equal("amd64"), "and the image is that architecture's")
}

func TestWhenNothingIsLeftTheConditionSaysWhatWasTriedAndWhenTheNextTryIs(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.setCapacity(t, 0, sim.CapacityKey{}, 0)
	own := b.machine(t, "worker")
	b.untilCondition(t, own, "Ready False NoCapacity")

	message := helpers.MessageOf(own, infrav1.PlacedCondition)
	for _, fault := range b.Tenancies[0].FaultDomains() {
		g.Expect(message).To(ContainSubstring(fault + " " + arm + " (OutOfCapacity)"))
	}
	g.Expect(message).To(ContainSubstring("the next try is at "))
	launches := b.calls("LaunchInstance")
	g.Expect(launches).To(Equal(3))
	result := b.pass(t, own)
	g.Expect(result.RequeueAfter).To(BeNumerically("~", 5*time.Minute, time.Minute))
	g.Expect(b.calls("LaunchInstance")).To(Equal(launches), "nothing is tried before its time")

	b.setCapacity(t, 0, sim.CapacityKey{}, 10)
	b.sleep(6 * time.Minute)
	b.untilProvisioned(t, own)
	b.delete(t, own)
	b.expectNothingLeft(t)
}

func TestTheMachinesFailureDomainIsHonoured(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	asked := b.Accounts[1].Name + "-ad-1"
	own := b.machine(t, "worker", func(machine *clusterv1.Machine, _ *infrav1.OCIMeshMachine) { machine.Spec.FailureDomain = asked })
	b.untilProvisioned(t, own)
	g.Expect(own.Status.FailureDomain).To(Equal(asked))

	lost := b.machine(t, "lost", func(machine *clusterv1.Machine, _ *infrav1.OCIMeshMachine) { machine.Spec.FailureDomain = "nowhere" })
	b.untilCondition(t, lost, "Ready False FailureDomainUnknown")
	b.delete(t, lost)
}

func TestAnAccountThatFailsDoesNotKeepMachinesFromTheOthers(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	b.Reload(t, b.Accounts[0])
	b.SetReady(t, b.Accounts[0], metav1.ConditionFalse, infrav1.AuthenticationFailedReason, "the key was revoked")
	b.OCI.AddFault(sim.Fault{Tenancy: b.Tenancies[0].Name, Status: 401, Code: "NotAuthenticated", Times: -1})
	own := b.machine(t, "worker")
	b.untilProvisioned(t, own)
	g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[1].Name))

	b.delete(t, own)
}

func TestAPlacementWithoutALaunchLeavesAnAccountThatFails(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	own := b.machine(t, "worker")
	b.untilPlaced(t, own)
	g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[0].Name))
	b.Reload(t, b.Accounts[0])
	b.SetReady(t, b.Accounts[0], metav1.ConditionFalse, infrav1.AuthenticationFailedReason, "the key was revoked")

	b.untilProvisioned(t, own)
	g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[1].Name))
	g.Expect(own.Status.Placement.Attempt).To(BeEquivalentTo(2))
}

func TestWithoutAnAccountTheConditionSaysWhyEachIsOut(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 3})
	b.Reload(t, b.Accounts[0])
	b.SetReady(t, b.Accounts[0], metav1.ConditionFalse, infrav1.AuthenticationFailedReason, "the key was revoked")
	helpers.Update(t, b.Environment, b.Accounts[1], func(account *infrav1.OCIAccount) {
		account.Spec.AllowedNamespaces.List = []string{"somebody-elses"}
	})
	helpers.Update(t, b.Environment, b.infra, func(infra *infrav1.OCIMeshCluster) {
		infra.Spec.Accounts[2].ControlPlane = ptr.To(false)
	})
	own := b.machine(t, "control-plane", controlPlane)
	b.untilCondition(t, own, "Ready False NoAccount")
	g.Expect(helpers.MessageOf(own, infrav1.PlacedCondition)).To(And(
		ContainSubstring(b.Accounts[0].Name+": the key was revoked"),
		ContainSubstring(b.Accounts[1].Name+": OCIAccount "+b.Accounts[1].Name+" does not allow namespace"),
		ContainSubstring(b.Accounts[2].Name+": the cluster allows no control planes in it"),
	))

	helpers.Update(t, b.Environment, b.Accounts[1], func(account *infrav1.OCIAccount) {
		account.Spec.AllowedNamespaces.List = []string{b.Namespace}
	})
	b.untilProvisioned(t, own)
}

func TestAccountsAreSelectedByNameOrLabel(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 3})
	helpers.Update(t, b.Environment, b.Accounts[2], func(account *infrav1.OCIAccount) { account.Labels = map[string]string{"tier": "gold"} })
	for name, selection := range map[string]infrav1.AccountSelection{
		"by-name":  {Names: []string{b.Accounts[2].Name}},
		"by-label": {Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}},
	} {
		own := b.machine(t, name, func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) { own.Spec.Accounts = selection })
		b.untilProvisioned(t, own)
		g.Expect(own.Status.Placement.Account).To(Equal(b.Accounts[2].Name), name)
	}
}

func TestNothingIsMadeForAPlacementThatIsNotWritten(t *testing.T) {
	t.Parallel()
	for world, refusal := range map[string]error{
		"somebody has written meanwhile": writtenMeanwhile,
		"the API server fails":           apierrors.NewInternalError(errors.New("no leader")),
	} {
		t.Run(world, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			b.setBudget(t, 0, 1)
			b.r.Client = &writer{Client: b.Client, refusal: refusal}
			own := b.machine(t, "worker")
			g.Expect(b.poll(t.Context())).To(Succeed())

			_, err := b.r.Reconcile(t.Context(), requestOf(own))

			g.Expect(err == nil).To(Equal(apierrors.IsConflict(refusal)))
			g.Expect(b.calls("LaunchInstance")).To(BeZero())
			g.Expect(b.Control.Keys()).To(BeEmpty())
			b.Reload(t, own)
			g.Expect(own.Finalizers).To(ContainElement(infrav1.OCIMeshMachineFinalizer))
			g.Expect(own.Status).To(BeZero())

			b.pass(t, own)
			b.Reload(t, own)
			g.Expect(own.Status.Placement.Attempt).To(BeEquivalentTo(1))
			g.Expect(b.calls("LaunchInstance")).To(Equal(1), "by the pass that has placed it")
		})
	}
}

// behind shows a machine as it was, as a cache does that lags.
type behind struct {
	client.Client
	was *infrav1.OCIMeshMachine
}

func (c behind) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if own, ok := object.(*infrav1.OCIMeshMachine); ok {
		c.was.DeepCopyInto(own)
		return nil
	}
	return c.Client.Get(ctx, key, object, options...)
}

func TestAPassOverAMachineAsItWasBeforeItsFirstOneMakesNothing(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.booter.setAsleep(true)
	own := b.machine(t, "worker")
	was := own.DeepCopy()
	b.pass(t, own)
	g.Expect(b.calls("LaunchInstance")).To(Equal(1))

	b.r.Client = behind{Client: b.r.Client, was: was}
	b.pass(t, own)

	g.Expect(b.calls("LaunchInstance")).To(Equal(1))
	g.Expect(b.Control.Keys()).To(HaveLen(1))
	b.Reload(t, own)
	g.Expect(b.r.creations.isNew(client.ObjectKeyFromObject(own), identity.Of(own))).To(BeFalse(), "its key and instance are known")
}

func TestAnAccountInDoubtIsNotLeftAndChosenAgainForEver(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.setReady(t, b.Accounts[0].Name, report.Unknown(infrav1.ReadyCondition, infrav1.UnavailableReason, "no answer"))
	own := b.machine(t, "worker")
	b.untilProvisioned(t, own)
	g.Expect(own.Status.Placement.Attempt).To(BeEquivalentTo(1))
}

// setReady gives an account another Ready condition, whatever its simulator answers.
func (b *bench) setReady(t *testing.T, name string, ready metav1.Condition) {
	t.Helper()
	g := NewWithT(t)
	account := &infrav1.OCIAccount{}
	g.Expect(b.Client.Get(t.Context(), client.ObjectKey{Name: name}, account)).To(Succeed())
	conditions.Set(account, ready)
	g.Expect(b.Client.Status().Update(t.Context(), account)).To(Succeed())
}

// untilPlaced leaves the machine as a process does that ends after its decision: with its place,
// and not yet its key.
func (b *bench) untilPlaced(t *testing.T, own *infrav1.OCIMeshMachine) {
	t.Helper()
	b.identify(t, own)
	eventually(NewWithT(t), func(g Gomega) {
		g.Expect(b.poll(t.Context())).To(Succeed())
		all := b.r.normalPhases()
		after := slices.IndexFunc(all, func(p phases.Phase[*scope]) bool { return p.Name == "place" }) + 1
		g.Expect(phases.Run(t.Context(), b.scopeOf(t, own), all[:after])).To(Succeed())
		b.Reload(t, own)
		g.Expect(own.Status.Placement.Account).NotTo(BeEmpty())
	})
}

// identify leaves the machine as a process does that ends after its first write.
func (b *bench) identify(t *testing.T, own *infrav1.OCIMeshMachine) {
	t.Helper()
	g := NewWithT(t)
	written, err := identity.Ensure(t.Context(), b.Client, own, infrav1.OCIMeshMachineFinalizer, b.r.decided())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(written).To(BeTrue())
	b.r.creations.begin(client.ObjectKeyFromObject(own), identity.Of(own))
}
