// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// setBudget gives the account a budget of instances of the pool's shape.
func (b *bench) setBudget(t *testing.T, instances int32) {
	t.Helper()
	helpers.Update(t, b.Environment, b.Accounts[0], func(account *infrav1.OCIAccount) {
		account.Spec.Budget = infrav1.AccountBudget{Families: []infrav1.FamilyBudget{{Family: "Standard.A1", Instances: ptr.To(instances)}}}
	})
}

// refusesAMachine tells whether the account has no room for another machine.
func (b *bench) refusesAMachine(t *testing.T) bool {
	t.Helper()
	g := NewWithT(t)
	infra := &infrav1.OCIMeshCluster{}
	g.Expect(b.Client.Get(t.Context(), client.ObjectKeyFromObject(b.cluster), infra)).To(Succeed())
	key := client.ObjectKey{Namespace: b.Namespace, Name: "worker"}
	_, refusal, err := b.scheduler.Schedule(t.Context(), scheduling.Request{
		Key: key, Identity: "worker", Attempt: 1, Labels: map[string]string{clusterv1.ClusterNameLabel: b.cluster.Name},
		Spec:    infrav1.OCIMeshMachineSpec{Shapes: []infrav1.Shape{b.own.Spec.Shape}, Image: b.own.Spec.Image},
		Cluster: client.ObjectKeyFromObject(b.cluster), InfraCluster: infra,
	})
	g.Expect(err).NotTo(HaveOccurred())
	b.scheduler.Cancel(t.Context(), key)
	if refusal != nil {
		g.Expect(refusal.Reason).To(Equal(infrav1.BudgetExceededReason), refusal.Message)
	}
	return refusal != nil
}

func TestAPoolIsAsLargeAsTheBudgetAllowsAndGrowsWhenThereIsRoom(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := (&bench{podNetwork: infrav1.PodNetworkVXLAN}).begin(t, 0)
	b.setBudget(t, 2)
	b.scaleTo(t, 4)
	b.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElements("PoolReady False BudgetExceeded", "Ready False BudgetExceeded"))
		g.Expect(b.own.Status.Replicas).To(HaveValue(BeEquivalentTo(2)))
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("InstancesReady True Ready"))
	})
	g.Expect(helpers.MessageOf(b.own, expv1.PoolReadyCondition)).To(And(
		HavePrefix("OCIAccount %s has room for 2 of 4 instances: its budget has 0 of 2 instances of Standard.A1 left, and 2 are needed", b.Accounts[0].Name),
		ContainSubstring("raise spec.budget of OCIAccount "+b.Accounts[0].Name+", or delete machines in it")))
	g.Expect(b.own.Status.Pool.Size).To(HaveValue(BeEquivalentTo(2)))
	g.Expect(b.refusesAMachine(t)).To(BeTrue())

	b.setBudget(t, 4)
	b.untilReady(t, 4)
	g.Expect(b.refusesAMachine(t)).To(BeTrue())
	b.setBudget(t, 5)
	g.Expect(b.refusesAMachine(t)).To(BeFalse())

	b.setBudget(t, 1)
	for range 5 {
		g.Expect(b.pass(t.Context())).To(Succeed())
	}
	b.untilReady(t, 4)

	b.delete(t)
	b.expectNothingLeft(t)
	g.Expect(b.pollers.Poll(t.Context(), b.Accounts[0].Name)).To(Succeed())
	g.Expect(b.refusesAMachine(t)).To(BeFalse())
}

// OCI has no room for what the pool may have, and the process begins anew each time.
func TestWhatAPoolMayLaunchCountsAfterARestart(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 0)
	b.setBudget(t, 3)
	g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{}, 0)).To(Succeed())
	b.scaleTo(t, 3)
	b.until(t, func(g Gomega) { g.Expect(b.own.Status.Pool.Size).To(HaveValue(BeEquivalentTo(3))) })
	g.Expect(b.instances(t)).To(BeEmpty())
	b.restart()
	g.Expect(b.pollers.Poll(t.Context(), b.Accounts[0].Name)).To(Succeed())
	g.Expect(b.refusesAMachine(t)).To(BeTrue())

	g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{}, 10)).To(Succeed())
	b.restartEachPass = true
	b.untilReady(t, 3)
	b.scaleTo(t, 5)
	for range 20 {
		g.Expect(b.pass(t.Context())).To(Succeed())
		g.Expect(len(b.instances(t))).To(BeNumerically("<=", 3))
	}
}

// The size is written before OCI is told: a manager that stops in between is followed by one that
// counts it.
func TestASizeIsReservedBeforeOCIIsTold(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	b.setBudget(t, 2)
	b.OCI.AddFault(sim.Fault{Operation: "UpdateInstancePool", Status: 503, Code: "ServiceUnavailable", Times: -1})
	b.scaleTo(t, 2)
	b.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("PoolReady False Unavailable"))
	})
	g.Expect(b.own.Status.Pool.Size).To(HaveValue(BeEquivalentTo(2)))
	b.restart()
	g.Expect(b.pollers.Poll(t.Context(), b.Accounts[0].Name)).To(Succeed())
	g.Expect(b.refusesAMachine(t)).To(BeTrue())

	b.scaleTo(t, 1)
	b.OCI.ClearFaults()
	b.untilReady(t, 1)
	g.Expect(b.refusesAMachine(t)).To(BeFalse())
}

func TestAMachineOfAPoolIsReplacedWithinTheBudget(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2)
	b.setBudget(t, 2)
	b.untilReady(t, 2)
	victim := b.machines(t)[0].Name
	g.Expect(b.Client.Delete(t.Context(), &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: victim}})).To(Succeed())
	b.until(t, func(g Gomega) {
		g.Expect(len(b.instances(t))).To(BeNumerically("<=", 2))
		g.Expect(names(b.machines(t))).NotTo(ContainElement(victim))
	})
	b.untilReady(t, 2)
}

func TestAPoolsImageIsLookedUpOnceInTenMinutes(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	looked := b.calls("ListImages")
	for range 5 {
		g.Expect(b.pass(t.Context())).To(Succeed())
	}
	g.Expect(b.calls("ListImages")).To(Equal(looked))
	b.sleep(11 * time.Minute)
	for range 5 {
		g.Expect(b.pass(t.Context())).To(Succeed())
	}
	g.Expect(b.calls("ListImages")).To(BeNumerically(">", looked))
}
