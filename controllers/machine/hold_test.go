// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// window is long enough that no test gets to its end but by sleep.
const window = time.Hour

// managed lets the bench be a management cluster with claims to its work.
func (b *bench) managed(id string) {
	b.r.Claims = claims.New(id, window)
}

// restored is another management cluster with a restored backup of the machine.
func (b *bench) restored(t *testing.T, id string, own *infrav1.OCIMeshMachine) (*bench, *infrav1.OCIMeshMachine) {
	t.Helper()
	g := NewWithT(t)
	other := &bench{World: b.RestoredIn(t, b.Beside(t)), booter: b.booter}
	machine := &clusterv1.Machine{}
	for _, o := range []client.Object{machine, own} {
		g.Expect(b.Client.Get(t.Context(), client.ObjectKey{Namespace: own.Namespace, Name: own.Name}, o)).To(Succeed())
	}
	b.Reload(t, b.cluster)
	b.Reload(t, b.infra)
	copies := other.Restore(t, b.cluster, b.infra, machine, own)
	other.cluster, other.infra = copies[0].(*clusterv1.Cluster), copies[1].(*infrav1.OCIMeshCluster)
	other.infra.Status = b.infra.Status
	g.Expect(other.Client.Status().Update(t.Context(), other.infra)).To(Succeed())
	other.ProvisionInfrastructure(t, other.cluster)
	other.advance = b.advance
	other.pollers = poller.New(other.Client, other.Clients, poller.Options{PollInterval: tick, ProgressInterval: tick, Clock: other.now})
	other.r = other.reconciler()
	other.managed(id)
	return other, copies[3].(*infrav1.OCIMeshMachine)
}

// holder is the claimant of the one instance that is not other people's.
func (b *bench) holder(t *testing.T) string {
	t.Helper()
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	all, err := c.ListInstances(t.Context())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	all = slices.DeleteFunc(all, func(i oci.Instance) bool { return i.Tags[infrav1.MachineUIDTag] == "" })
	NewWithT(t).Expect(all).To(HaveLen(1))
	return ownership.ClaimIn(all[0].Tags).Holder
}

// untilClaim reconciles until the machine's claim is in the state.
func (b *bench) untilClaim(t *testing.T, own *infrav1.OCIMeshMachine, state infrav1.ClaimState) {
	t.Helper()
	b.until(t, own, func(g Gomega) { g.Expect(own.Status.Claim.State).To(Equal(state)) })
}

func isGone(b *bench, t *testing.T, own *infrav1.OCIMeshMachine) bool {
	t.Helper()
	return apierrors.IsNotFound(b.Client.Get(t.Context(), client.ObjectKeyFromObject(own), own.DeepCopy()))
}

func TestADrillIsToldThatItHoldsNothingAndEndsNothing(t *testing.T) {
	t.Parallel()
	for name, role := range map[string]func(*clusterv1.Machine, *infrav1.OCIMeshMachine){
		"worker": func(*clusterv1.Machine, *infrav1.OCIMeshMachine) {}, "control plane": controlPlane,
	} {
		for when, deletedAtOnce := range map[string]bool{"deleted at once": true, "deleted when told": false} {
			t.Run(name+" "+when, func(t *testing.T) {
				t.Parallel()
				g := NewWithT(t)
				production := newBench(t, helpers.WorldOptions{})
				production.managed("production")
				own := production.machine(t, "machine", role)
				production.untilProvisioned(t, own)
				production.pass(t, own)
				g.Expect(production.holder(t)).To(Equal("production"))

				drill, copied := production.restored(t, "drill", own)
				if deletedAtOnce {
					g.Expect(drill.Client.Delete(t.Context(), copied)).To(Succeed())
				}
				drill.untilClaim(t, copied, infrav1.ClaimPending)
				drill.until(t, copied, func(g Gomega) { g.Expect(production.holder(t)).To(Equal("drill")) })
				for range 3 {
					drill.pass(t, copied)
				}
				g.Expect(isGone(drill, t, copied)).To(BeFalse(), "the other one is to have time to mind")

				// Production sees it in a poll, and minds.
				production.until(t, own, func(g Gomega) { g.Expect(production.holder(t)).To(Equal("production")) })
				if !deletedAtOnce {
					drill.untilCondition(t, copied, "InstanceReady False HeldElsewhere")
					g.Expect(copied.Status.Claim.State).To(Equal(infrav1.ClaimElsewhere))
					g.Expect(helpers.MessageOf(copied, infrav1.InstanceReadyCondition)).To(ContainSubstring("production"))
					drill.sleep(2 * window)
					for range 3 {
						drill.pass(t, copied)
					}
					g.Expect(production.holder(t)).To(Equal("production"), "who was contested never claims again")
				}
				drill.delete(t, copied)
				for range 3 {
					production.pass(t, own)
				}
				production.Reload(t, own)
				helpers.ExpectConditions(t, own, allIsWell...)
				g.Expect(production.calls("TerminateInstance")).To(BeZero())
				g.Expect(production.calls("LaunchInstance")).To(Equal(1))
				g.Expect(production.Control.Devices()).To(HaveLen(1))
				g.Expect(production.calls("UpdateInstance")).To(Equal(2), "taken and taken back")

				// What was claimed back may be ended once nobody has minded.
				g.Expect(production.Client.Delete(t.Context(), own)).To(Succeed())
				production.untilCondition(t, own, "Deleting True Claiming")
				production.sleep(window)
				production.delete(t, own)
				production.expectNothingLeft(t)
			})
		}
	}
}

func TestAfterADisasterTheSecondTakesOverAndTheFirstIsTold(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	first := newBench(t, helpers.WorldOptions{})
	first.managed("first")
	own := first.machine(t, "machine")
	first.untilProvisioned(t, own)
	first.pass(t, own)

	second, restored := first.restored(t, "second", own)
	second.untilProvisioned(t, restored)
	g.Expect(first.holder(t)).To(Equal("second"))
	g.Expect(restored.Status.Claim.TakenAt.IsZero()).To(BeFalse())
	second.sleep(window)
	second.untilClaim(t, restored, infrav1.ClaimHeld)

	for _, restart := range []bool{false, true} {
		first.sleep(2 * window)
		if restart {
			first.managed("first")
		}
		first.untilCondition(t, own, "InstanceReady False HeldElsewhere")
		g.Expect(first.holder(t)).To(Equal("second"))
	}
	first.delete(t, own)
	second.pass(t, restored)
	second.Reload(t, restored)
	helpers.ExpectConditions(t, restored, allIsWell...)
	g.Expect(second.calls("TerminateInstance")).To(BeZero())
	g.Expect(second.Control.Devices()).To(HaveLen(1))
	second.delete(t, restored)
	second.expectNothingLeft(t)
}

func TestAMachineThatIsMovedAndDeletedWaitsForTheWindow(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	first := newBench(t, helpers.WorldOptions{})
	first.managed("first")
	own := first.machine(t, "machine")
	first.untilProvisioned(t, own)
	second, moved := first.restored(t, "second", own)
	first.forsake(t, own.Name)

	g.Expect(second.Client.Delete(t.Context(), moved)).To(Succeed())
	second.untilCondition(t, moved, "Deleting True Claiming")
	for range 3 {
		second.pass(t, moved)
	}
	g.Expect(second.calls("TerminateInstance")).To(BeZero())
	second.sleep(window)
	second.delete(t, moved)
	second.expectNothingLeft(t)
}

func TestACrashWhileClaimingClaimsOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	first := newBench(t, helpers.WorldOptions{})
	first.managed("first")
	own := first.machine(t, "machine")
	first.untilProvisioned(t, own)
	second, moved := first.restored(t, "second", own)
	first.forsake(t, own.Name)
	for range 20 {
		// A process gets as far as one look and one decision.
		second.pollers = poller.New(second.Client, second.Clients, poller.Options{PollInterval: tick, ProgressInterval: tick, Clock: second.now})
		second.r = second.reconciler()
		second.managed("second")
		for range 2 {
			second.pass(t, moved)
		}
	}
	second.Reload(t, moved)
	g.Expect(first.holder(t)).To(Equal("second"))
	g.Expect(moved.Status.Claim.State).To(Equal(infrav1.ClaimPending))
	g.Expect(second.calls("UpdateInstance")).To(Equal(1))
	second.sleep(window)
	second.delete(t, moved)
	second.expectNothingLeft(t)
}
