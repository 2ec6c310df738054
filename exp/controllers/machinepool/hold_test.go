// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// window is long enough that no test gets to its end but by sleep.
const window = time.Hour

// newManaged is a management cluster with claims, and a pool.
func newManaged(t *testing.T, id string, replicas int32) *bench {
	t.Helper()
	return (&bench{podNetwork: infrav1.PodNetworkVXLAN, managementCluster: id}).begin(t, replicas)
}

// restored is another management cluster with a restored backup of everything but the manager's own
// namespace, as clusterctl moves it.
func (b *bench) restored(t *testing.T, id string) *bench {
	t.Helper()
	g := NewWithT(t)
	other := &bench{
		World: b.RestoredIn(t, b.Beside(t)), booter: b.booter, recorder: &helpers.Recorder{}, podNetwork: b.podNetwork, managementCluster: id,
		advance: b.advance,
	}
	infra := b.infraCluster(t)
	bootstrap := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "workers-bootstrap"}}
	for _, o := range []client.Object{b.cluster, bootstrap, b.machinePool, b.own} {
		b.Reload(t, o)
	}
	all := []client.Object{b.cluster, infra, bootstrap, b.machinePool, b.own}
	machines := &clusterv1.MachineList{}
	g.Expect(b.Client.List(t.Context(), machines, client.InNamespace(b.Namespace))).To(Succeed())
	for i := range machines.Items {
		all = append(all, &machines.Items[i])
	}
	objects := b.machines(t)
	for i := range objects {
		all = append(all, &objects[i])
	}
	copies := other.Restore(t, all...)
	other.cluster, other.machinePool, other.own = copies[0].(*clusterv1.Cluster), copies[3].(*clusterv1.MachinePool), copies[4].(*expv1.OCIMeshMachinePool)
	there := copies[1].(*infrav1.OCIMeshCluster)
	there.Status = infra.Status
	g.Expect(other.Client.Status().Update(t.Context(), there)).To(Succeed())
	other.ProvisionInfrastructure(t, other.cluster)
	other.restart()
	return other
}

// holder is the claimant of the one instance pool.
func (b *bench) holder(t *testing.T) string {
	t.Helper()
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	pools, err := c.ListInstancePools(t.Context(), nil)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(pools).To(HaveLen(1))
	return ownership.ClaimIn(pools[0].Tags).Holder
}

// untilClaim makes passes until the pool's claim is in the state.
func (b *bench) untilClaim(t *testing.T, state infrav1.ClaimState) {
	t.Helper()
	b.until(t, func(g Gomega) { g.Expect(b.own.Status.Claim.State).To(Equal(state)) })
}

func (b *bench) passes(t *testing.T, times int) {
	t.Helper()
	for range times {
		NewWithT(t).Expect(b.pass(t.Context())).To(Succeed())
	}
}

// destructive are the calls that take something away or make the account another one.
var destructive = []string{
	"TerminateInstancePool", "DetachInstancePoolInstance", "TerminateInstance", "DeleteInstanceConfiguration", "DeleteVolume",
}

// expectTold waits until pool and machines say that production holds them.
func (b *bench) expectTold(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	b.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("PoolReady False HeldElsewhere"))
	})
	g.Expect(helpers.MessageOf(b.own, expv1.PoolReadyCondition)).To(ContainSubstring("production"))
	b.sleep(2 * window)
	b.passes(t, 3)
	for _, machine := range b.machines(t) {
		g.Expect(helpers.ConditionsOf(&machine)).To(ContainElement("InstanceReady False HeldElsewhere"))
	}
}

func TestADrillIsToldThatItHoldsNoPoolAndChangesNothing(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		change func(*testing.T, *bench)
		gone   bool
	}{
		"left alone":                  {func(*testing.T, *bench) {}, false},
		"scaled down at once":         {func(t *testing.T, drill *bench) { drill.scaleTo(t, 0) }, false},
		"scaled up at once":           {func(t *testing.T, drill *bench) { drill.scaleTo(t, 3) }, false},
		"with other bootstrap data":   {func(t *testing.T, drill *bench) { drill.changeBootstrap(t, "c") }, false},
		"with a Machine that is gone": {func(t *testing.T, drill *bench) { drill.deleteOne(t) }, false},
		"deleted at once":             {func(t *testing.T, drill *bench) { drill.ask(t) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			production := newManaged(t, "production", 2)
			production.untilReady(t, 2)
			g.Expect(production.holder(t)).To(Equal("production"))
			before, keys := production.holdings(t), production.keys()
			g.Expect(keys).To(HaveLen(1))

			drill := production.restored(t, "drill")
			world.change(t, drill)
			drill.untilClaim(t, infrav1.ClaimPending)
			drill.until(t, func(g Gomega) { g.Expect(production.holder(t)).To(Equal("drill")) })
			drill.passes(t, 3)
			g.Expect(production.holdings(t)).To(Equal(before), "the other one is to have time to mind")

			production.until(t, func(g Gomega) { g.Expect(production.holder(t)).To(Equal("production")) })
			if !world.gone {
				drill.expectTold(t)
				g.Expect(production.holder(t)).To(Equal("production"), "who was contested never claims again")
			}
			drill.delete(t)
			g.Expect(drill.machines(t)).To(BeEmpty())
			g.Expect(drill.recorder.Events()).To(ContainElement(ContainSubstring("LeftElsewhere")))

			production.untilReady(t, 2)
			g.Expect(production.holdings(t)).To(Equal(before))
			g.Expect(production.keys()).To(Equal(keys))
			g.Expect(production.Control.Devices()).To(HaveLen(2))
			for _, operation := range destructive {
				g.Expect(production.calls(operation)).To(BeZero(), operation)
			}

			// What was claimed back may be ended once nobody has minded.
			production.ask(t)
			production.until(t, func(g Gomega) {
				g.Expect(helpers.ConditionsOf(production.own)).To(ContainElement("Deleting True Claiming"))
			})
			production.sleep(window)
			production.delete(t)
			production.expectNothingLeft(t)
		})
	}
}

// keys are those that nobody has revoked.
func (b *bench) keys() []string {
	var ids []string
	for _, key := range b.Control.Keys() {
		if key.Revoked.IsZero() {
			ids = append(ids, key.ID)
		}
	}
	return ids
}

// ask asks for the pool's end.
func (b *bench) ask(t *testing.T) {
	t.Helper()
	NewWithT(t).Expect(b.Client.Delete(t.Context(), b.own)).To(Succeed())
}

func (b *bench) changeBootstrap(t *testing.T, token string) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "workers-bootstrap"}}
	helpers.Update(t, b.Environment, secret, func(s *corev1.Secret) {
		s.Data["value"] = []byte(helpers.BootstrapData + "- echo " + token + "\n")
	})
}

// deleteOne deletes the Machine of one instance.
func (b *bench) deleteOne(t *testing.T) {
	t.Helper()
	machine := &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: b.machines(t)[0].Name}}
	NewWithT(t).Expect(b.Client.Delete(t.Context(), machine)).To(Succeed())
}

func TestAfterADisasterTheSecondTakesThePoolOverAndTheFirstIsTold(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	first := newManaged(t, "first", 1)
	first.untilReady(t, 1)
	second := first.restored(t, "second")
	second.untilReady(t, 1)
	second.sleep(window)
	second.untilClaim(t, infrav1.ClaimHeld)

	first.sleep(3 * window)
	first.restart()
	first.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(first.own)).To(ContainElement("PoolReady False HeldElsewhere"))
	})
	// The second ends its pool: the first makes none in its place.
	second.delete(t)
	second.expectNothingLeft(t)
	first.passes(t, 5)
	g.Expect(first.left(t, "instancepool")).To(BeZero())
	g.Expect(helpers.ConditionsOf(first.own)).To(ContainElement("PoolReady False HeldElsewhere"))
	g.Expect(first.Client.Delete(t.Context(), first.own)).To(Succeed())
	first.delete(t)
}

func TestACrashWhileClaimingAPoolClaimsOnce(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	first := newManaged(t, "first", 1)
	first.untilReady(t, 1)
	updates := first.calls("UpdateInstancePool")
	second := first.restored(t, "second")
	for range 10 {
		// A process gets as far as one look and one decision.
		second.restart()
		second.passes(t, 2)
	}
	second.Reload(t, second.own)
	g.Expect(second.holder(t)).To(Equal("second"))
	g.Expect(second.own.Status.Claim.State).To(Equal(infrav1.ClaimPending))
	g.Expect(second.calls("UpdateInstancePool")).To(Equal(updates + 1))
}

// OCI is at a launch without room for up to 24 hours, and may refuse the claim's tag meanwhile.
func TestAPoolIsClaimedOnceOCITakesAChangeOfIt(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	first := newManaged(t, "first", 1)
	first.untilReady(t, 1)
	g.Expect(first.OCI.RefuseWhileScaling(first.Tenancies[0].Name)).To(Succeed())
	g.Expect(first.OCI.SetCapacity(first.Tenancies[0].Name, sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}, 1)).To(Succeed())
	first.scaleTo(t, 2)
	first.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(first.own)).To(ContainElement("PoolReady False NoCapacity"))
	})
	const refused = "first; a change of it waits, since OCI refuses it while the pool is SCALING: "

	second := first.restored(t, "second")
	second.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(second.own)).To(ContainElement("PoolReady False Claiming"))
		g.Expect(helpers.MessageOf(second.own, expv1.PoolReadyCondition)).To(HavePrefix("Claiming the instance pool from management cluster " + refused))
	})
	second.pools.Options.Intervals.Progress = time.Minute
	result, err := second.pools.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(second.own)})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(result.RequeueAfter).To(BeNumerically(">", 10*time.Second), "a pass each second for all that time would see nothing new")

	second.ask(t)
	second.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(second.own)).To(ContainElement("Deleting True Claiming"))
		g.Expect(helpers.MessageOf(second.own, infrav1.DeletingCondition)).To(HavePrefix(
			"The deletion waits until instance pool %s is claimed from management cluster %s", second.own.Status.Pool.ID, refused))
	})
	g.Expect(second.holder(t)).To(Equal("first"))
	g.Expect(second.OCI.SetCapacity(second.Tenancies[0].Name, sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}, -1)).To(Succeed())
	second.until(t, func(g Gomega) { g.Expect(second.holder(t)).To(Equal("second")) })
}
