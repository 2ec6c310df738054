// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func ofImage(name string) func(*clusterv1.Machine, *infrav1.OCIMeshMachine) {
	return func(_ *clusterv1.Machine, own *infrav1.OCIMeshMachine) { own.Spec.Image = infrav1.Image{Name: name} }
}

func TestAMachineThatMovesOnForWantOfAnImageKeepsNothingBooked(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2, Tenancy: func(i int, tenancy *sim.Tenancy) {
		if i == 1 {
			tenancy.Images = append(tenancy.Images, sim.ImageSpec{
				Name: "golden", OperatingSystem: "Canonical Ubuntu", OperatingSystemVersion: "24.04", Arch: "arm64",
			})
		}
	}})
	b.setBudget(t, 0, 1)
	b.setBudget(t, 1, 1)

	golden := b.machine(t, "golden", ofImage("golden"))
	b.untilPlaced(t, golden)
	g.Expect(golden.Status.Placement.Account).To(Equal(b.Accounts[1].Name))
	usual := b.machine(t, "usual")
	b.untilPlaced(t, usual)
	g.Expect(usual.Status.Placement.Account).To(Equal(b.Accounts[0].Name))

	// One account lacks the image and has no budget left, the other has no budget left.
	late := b.machine(t, "late", ofImage("golden"))
	b.untilCondition(t, late, "Placed False BudgetExceeded")
}

func TestABookingIsTakenBackWhenTheImageCannotBeLookedUp(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.setBudget(t, 0, 1)
	b.OCI.AddFault(sim.Fault{Operation: "ListImages", Status: 503, Code: "ServiceUnavailable"})
	first := b.machine(t, "first")
	b.untilCondition(t, first, "Placed False Unavailable")

	second := b.machine(t, "second")
	b.untilProvisioned(t, second)
	b.untilCondition(t, first, "Placed False BudgetExceeded")
	g.Expect(b.instances(t)).To(HaveLen(1))
}

func TestABookingIsTakenBackWhenItIsNotWritten(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.setBudget(t, 0, 1)
	first := b.machine(t, "first")
	b.identify(t, first)
	g.Expect(b.poll(t.Context())).To(Succeed())
	s := b.scopeOf(t, first.DeepCopy())
	g.Expect(b.r.launcher().choose(t.Context(), s)).To(Succeed())
	g.Expect(s.own.Status.Placement.Account).To(Equal(b.Accounts[0].Name))

	helpers.Update(t, b.Environment, first, func(own *infrav1.OCIMeshMachine) { own.Labels["written"] = "in-between" })
	g.Expect(b.r.saver().save(t.Context(), s)).To(Succeed())

	second := b.machine(t, "second")
	b.untilPlaced(t, second)
	b.untilCondition(t, first, "Placed False BudgetExceeded")
}

// The cache shows a pass the machine as it was before its placement was written.
func TestAPassThatIsBehindTakesNoReservationAway(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	b.setBudget(t, 0, 1)
	b.setBudget(t, 1, 0)
	placed := b.machine(t, "placed")
	var behind *infrav1.OCIMeshMachine
	for placed.Status.Placement.Account == "" {
		behind = placed.DeepCopy()
		b.pass(t, placed)
		b.Reload(t, placed)
	}
	b.setBudget(t, 0, 0)
	b.setBudget(t, 1, 1)

	s := b.scopeOf(t, behind.DeepCopy())
	g.Expect(b.r.launcher().choose(t.Context(), s)).To(Succeed())

	g.Expect(s.Stopped()).To(BeTrue())
	g.Expect(s.unseen).To(BeTrue(), "nothing is written")
	g.Expect(s.Result().RequeueAfter).NotTo(BeZero())
}

func TestAMachineThatWaitsForABudgetIsAtRest(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.setBudget(t, 0, 0)
	own := b.machine(t, "worker")
	b.untilCondition(t, own, "Placed False BudgetExceeded")
	b.pass(t, own)
	b.Reload(t, own)
	written := own.ResourceVersion
	for range 5 {
		g.Expect(b.pass(t, own).RequeueAfter).To(BeNumerically(">=", 5*tick))
	}
	b.Reload(t, own)
	g.Expect(own.ResourceVersion).To(Equal(written))
}

// The watch of a manager keeps the sums here, where other tests read all machines.
func TestUnderAManagerABudgetIsKeptAndWhatGoesIsGivenToOthers(t *testing.T) {
	t.Parallel()
	const asked, budget = 12, 5
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Tenancy: roomy})
	b.setBudget(t, 0, budget)
	for i := range asked {
		b.machine(t, fmt.Sprintf("worker-%d", i))
	}
	pace := Options{Intervals: phases.Intervals{Poll: time.Second, Retry: 200 * time.Millisecond}}
	b.manage(t, poller.Options{PollInterval: pace.Intervals.Poll, ProgressInterval: pace.Intervals.Retry}, pace, 10)
	settled := func(left int) (ready []*infrav1.OCIMeshMachine) {
		t.Helper()
		g.Eventually(func(g Gomega) {
			seen := &infrav1.OCIMeshMachineList{}
			g.Expect(b.Client.List(t.Context(), seen, client.InNamespace(b.Namespace))).To(Succeed())
			waiting, states := 0, map[string][]string{}
			ready = nil
			for i := range seen.Items {
				own := &seen.Items[i]
				states[own.Name] = helpers.ConditionsOf(own)
				switch conditions := states[own.Name]; {
				case slices.Contains(conditions, "Ready True Ready"):
					ready = append(ready, own)
				case slices.Contains(conditions, "Placed False BudgetExceeded"):
					waiting++
				}
			}
			g.Expect(ready).To(HaveLen(budget), "conditions: %v", states)
			g.Expect(waiting).To(Equal(left-budget), "conditions: %v", states)
		}).WithTimeout(3 * patience).WithPolling(500 * time.Millisecond).Should(Succeed())
		return ready
	}

	ready := settled(asked)
	g.Expect(b.calls("LaunchInstance")).To(Equal(budget))
	for _, own := range ready[:2] {
		g.Expect(b.Client.Delete(t.Context(), own)).To(Succeed())
	}
	settled(asked - 2)
	g.Expect(b.calls("LaunchInstance")).To(Equal(budget + 2))
	g.Expect(b.instances(t)).To(HaveLen(budget))
}
