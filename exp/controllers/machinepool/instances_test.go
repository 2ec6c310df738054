// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// listed has the account's poll end with a list of these.
func (b *bench) listed(instances ...oci.Instance) {
	cache, began := b.pollers.Cache(b.Accounts[0]), b.now()
	cache.Begin(began)
	cache.Complete(instances, began, b.now())
}

// look makes a pass over the pool alone, with what polls have shown so far.
func (b *bench) look(t *testing.T) {
	t.Helper()
	_, err := b.pools.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(b.own)})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	b.Reload(t, b.own)
}

// listOf is OCI's list of the instances.
func (b *bench) listOf(t *testing.T, providerIDs []string) []oci.Instance {
	t.Helper()
	g := NewWithT(t)
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	all, err := c.ListInstances(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	all = slices.DeleteFunc(all, func(i oci.Instance) bool { return !slices.Contains(providerIDs, "oci://"+i.ID) })
	g.Expect(all).To(HaveLen(len(providerIDs)))
	return all
}

// Cluster API deletes the Node of an instance that leaves the pool's list.
func TestAnInstanceThatAListLeavesOutIsAskedFor(t *testing.T) {
	gone := sim.Fault{Operation: "GetInstance", Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1}
	silent := sim.Fault{Operation: "GetInstance", Status: 503, Code: "ServiceUnavailable", Times: -1}
	for name, world := range map[string]struct {
		// fault is OCI's when it is asked, and restarted says that a new process asks.
		fault     sim.Fault
		restarted bool
		left      int
		// missing are how many of three the list leaves out, calls how many calls that makes.
		missing, calls int
	}{
		"it runs":                             {left: 3, missing: 1, calls: 1},
		"they run":                            {left: 3, missing: 3, calls: 3},
		"it runs, and the process is new":     {left: 3, missing: 1, calls: 1, restarted: true},
		"it is gone":                          {fault: gone, left: 2, missing: 1, calls: 1},
		"they are gone":                       {fault: gone, left: 1, missing: 2, calls: 2},
		"it is gone, and the process is new":  {fault: gone, left: 2, missing: 1, calls: 1, restarted: true},
		"whether it runs is not to be learnt": {fault: silent, left: 3, missing: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, 3)
			b.untilReady(t, 3)
			before := b.own.DeepCopy()
			all := b.listOf(t, before.Spec.ProviderIDList)
			if world.restarted {
				b.restart()
			}
			if world.fault.Status != 0 {
				b.OCI.AddFault(world.fault)
			}
			asked := b.calls("GetInstance")

			b.listed(all[world.missing:]...)
			for range 3 {
				b.look(t)
				g.Expect(b.own.Spec.ProviderIDList).To(HaveLen(world.left))
				g.Expect(b.own.Status.Replicas).To(HaveValue(BeEquivalentTo(world.left)))
				g.Expect(b.own.Status.Instances).To(HaveLen(world.left))
			}

			if world.calls > 0 {
				g.Expect(b.calls("GetInstance")-asked).To(Equal(world.calls), "each is asked for once")
			}
			if world.left == 3 {
				g.Expect(b.own.Spec.ProviderIDList).To(Equal(before.Spec.ProviderIDList))
			}
			if world.calls == 0 {
				g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("InstancesReady False Unavailable"))
			}

			b.OCI.ClearFaults()
			b.untilReady(t, 3)
			lost := b.own.Spec.ProviderIDList[0]
			g.Expect(b.OCI.TerminateInstance(strings.TrimPrefix(lost, "oci://"))).To(Succeed())
			b.until(t, func(g Gomega) { g.Expect(b.own.Spec.ProviderIDList).NotTo(ContainElement(lost)) })
		})
	}
}

func TestThePoolTellsOfTheSameInstanceWhateverTheOrderOfItsMachines(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2)
	b.untilReady(t, 2)
	for _, providerID := range b.own.Spec.ProviderIDList {
		g.Expect(b.OCI.StopInstance(strings.TrimPrefix(providerID, "oci://"))).To(Succeed())
	}
	b.until(t, func(g Gomega) {
		for _, machine := range b.machines(t) {
			g.Expect(helpers.ConditionsOf(&machine)).To(ContainElement("InstanceReady False InstanceStopped"))
		}
	})
	b.pools.Client = &informer{Client: b.pools.Client}
	b.look(t)
	g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("InstancesReady False InstancesJoining"))
	written := b.own.ResourceVersion

	for range 4 {
		b.look(t)
		g.Expect(b.own.ResourceVersion).To(Equal(written), "a write would bring the next pass: %s", helpers.MessageOf(b.own, expv1.InstancesReadyCondition))
	}
}

func TestAnInstanceLostOutsideTakesItsMachineAlongAndIsReplaced(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2)
	b.untilReady(t, 2)
	lost := b.machines(t)[0]

	g.Expect(b.OCI.TerminateInstance(strings.TrimPrefix(lost.Spec.ProviderID, "oci://"))).To(Succeed())

	b.until(t, func(g Gomega) { g.Expect(names(b.machines(t))).NotTo(ContainElement(lost.Name)) })
	b.untilReady(t, 2)
	g.Expect(b.own.Status.Pool.Size).To(HaveValue(BeEquivalentTo(2)))
}

func TestOneMachineIsDeletedByName(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 3)
	b.untilReady(t, 3)
	victim := b.machines(t)[1]

	// Its replacement is another one, as long as the MachinePool wants three.
	g.Expect(b.Client.Delete(t.Context(), &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: victim.Name}})).To(Succeed())
	b.until(t, func(g Gomega) { g.Expect(names(b.machines(t))).NotTo(ContainElement(victim.Name)) })
	b.untilReady(t, 3)
	g.Expect(b.OCI.InstanceState(strings.TrimPrefix(victim.Spec.ProviderID, "oci://"))).To(Equal("TERMINATED"))

	// The one that is marked goes when the pool becomes smaller, and only it.
	marked := b.machines(t)[2]
	machine := &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: marked.Name}}
	helpers.Update(t, b.Environment, machine, func(m *clusterv1.Machine) { m.Annotations = map[string]string{clusterv1.DeleteMachineAnnotation: ""} })
	others := names(b.machines(t))
	others = slices.DeleteFunc(others, func(name string) bool { return name == marked.Name })
	b.scaleTo(t, 2)
	b.untilReady(t, 2)
	g.Expect(names(b.machines(t))).To(ConsistOf(others))
	g.Expect(b.own.Status.Pool.Size).To(HaveValue(BeEquivalentTo(2)))
}
