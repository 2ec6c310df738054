// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestAShortageIsToldAndPasses(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 3)
	g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}, 1)).To(Succeed())
	b.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("PoolReady False NoCapacity"))
		g.Expect(b.own.Status.Ready).To(HaveValue(BeTrue()), "one has joined")
	})
	g.Expect(helpers.MessageOf(b.own, expv1.PoolReadyCondition)).To(ContainSubstring("1 of 3"))

	// Places that nobody has taken are given back without the end of the one that is there.
	kept := names(b.machines(t))
	b.scaleTo(t, 1)
	b.untilReady(t, 1)
	g.Expect(names(b.machines(t))).To(Equal(kept))

	g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}, -1)).To(Succeed())
	b.scaleTo(t, 3)
	b.untilReady(t, 3)
	g.Expect(names(b.machines(t))).To(ContainElements(kept))
}

func TestOnlyFaultDomainsOfTheSpecAreWaitedFor(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		faultDomains []string
		expect       string
		live         int
	}{
		"none are named": {nil, "PoolReady True Ready", 2},
		"all are named":  {[]string{"FAULT-DOMAIN-1", "FAULT-DOMAIN-2", "FAULT-DOMAIN-3"}, "PoolReady False NoCapacity", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, 2, func(_ *clusterv1.MachinePool, p *expv1.OCIMeshMachinePool) { p.Spec.FaultDomains = world.faultDomains })
			g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{Shape: "VM.Standard.A1.Flex", FaultDomain: "FAULT-DOMAIN-2"}, 0)).To(Succeed())

			b.until(t, func(g Gomega) {
				g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement(world.expect))
				g.Expect(b.instances(t)).To(HaveLen(world.live))
			})
		})
	}
}

// fillsIn is a seed with which OCI shows all fault domains of a pool that names none.
const fillsIn = 5

// A release before named all fault domains. OCI may show all of a pool that names none.
func TestAPoolWithAllFaultDomainsNamedIsToldOnceToSpread(t *testing.T) {
	t.Parallel()
	for name, seed := range map[string]uint64{"as OCI shows it": 0, "though OCI shows all": fillsIn} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := (&bench{podNetwork: infrav1.PodNetworkVXLAN, seed: seed}).begin(t, 1)
			b.untilReady(t, 1)
			c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
			g.Expect(err).NotTo(HaveOccurred())
			pool, err := c.GetInstancePool(t.Context(), b.own.Status.Pool.ID)
			g.Expect(err).NotTo(HaveOccurred())
			if seed == fillsIn {
				g.Expect(pool.Placements[0].FaultDomains).To(HaveLen(3))
			}
			pool.Placements[0].FaultDomains = b.Tenancies[0].FaultDomains()
			_, err = c.UpdateInstancePool(t.Context(), ownership.Recorded(pool.ID), oci.PoolChange{Placements: pool.Placements})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(b.Client.Status().Patch(t.Context(), b.own, client.RawPatch(types.MergePatchType,
				[]byte(`{"status":{"pool":{"spread":null}}}`)))).To(Succeed())
			told := b.calls("UpdateInstancePool")

			b.until(t, func(g Gomega) { g.Expect(b.own.Status.Pool.Spread).To(HaveValue(BeTrue())) })
			b.untilReady(t, 1)
			for range 5 {
				g.Expect(b.pass(t.Context())).To(Succeed())
			}

			g.Expect(b.calls("UpdateInstancePool")).To(Equal(told + 1))
			helpers.Update(t, b.Environment, b.own, func(p *expv1.OCIMeshMachinePool) { p.Spec.FaultDomains = b.Tenancies[0].FaultDomains() })
			b.until(t, func(g Gomega) { g.Expect(b.own.Status.Pool.Spread).To(HaveValue(BeFalse())) })
			g.Expect(b.calls("UpdateInstancePool")).To(Equal(told+2), "all of them are named again")
		})
	}
}

func TestWhatAPoolWasToldOfFaultDomainsIsFoundAgainAfterAMove(t *testing.T) {
	t.Parallel()
	for name, named := range map[string]int{"none": 0, "two": 2, "all": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, 1, func(_ *clusterv1.MachinePool, p *expv1.OCIMeshMachinePool) {
				p.Spec.FaultDomains = []string{"FAULT-DOMAIN-1", "FAULT-DOMAIN-2", "FAULT-DOMAIN-3"}[:named]
			})
			b.untilReady(t, 1)
			g.Expect(b.own.Status.Pool.Spread).To(HaveValue(Equal(named == 0)))
			told := b.calls("UpdateInstancePool")
			g.Expect(b.Client.Status().Patch(t.Context(), b.own, client.RawPatch(types.MergePatchType,
				[]byte(`{"status":{"pool":{"spread":null}}}`)))).To(Succeed())

			b.until(t, func(g Gomega) { g.Expect(b.own.Status.Pool.Spread).To(HaveValue(Equal(named == 0))) })

			g.Expect(b.calls("UpdateInstancePool")).To(Equal(told))
		})
	}
}

// The token of the bootstrap data is another one every few minutes, and OCI tries for 24 hours.
func TestAShortageIsToldWhileOCITakesNoChangeOfThePool(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	g.Expect(b.OCI.RefuseWhileScaling(b.Tenancies[0].Name)).To(Succeed())
	g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}, 1)).To(Succeed())
	b.scaleTo(t, 2)
	short := []string{"Ready False NoCapacity", "ConfigurationReady True Ready", "PoolReady False NoCapacity", "InstancesReady True Ready", "TailnetReady True Ready"}
	b.untilConditions(t, short...)

	for _, token := range []string{"b", "c", "d"} {
		b.changeBootstrap(t, token)
		for range 3 {
			g.Expect(b.pass(t.Context())).To(Succeed())
		}
		b.untilConditions(t, short...)
		g.Expect(b.left(t, "instanceconfiguration")).To(BeNumerically("<=", 2), "one that the pool has, and one that waits")
	}
	g.Expect(helpers.MessageOf(b.own, expv1.PoolReadyCondition)).To(And(HavePrefix("The instance pool has 1 of 2 instances; OCI keeps trying: "),
		ContainSubstring("a change of it waits, since OCI refuses it while the pool is SCALING: ")))
	b.scaleTo(t, 3)
	b.until(t, func(g Gomega) {
		g.Expect(helpers.MessageOf(b.own, expv1.PoolReadyCondition)).To(ContainSubstring("has 1 of 3 instances; OCI keeps trying"))
	})

	g.Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}, -1)).To(Succeed())
	b.untilReady(t, 3)
	b.until(t, func(g Gomega) { g.Expect(b.left(t, "instanceconfiguration")).To(Equal(1)) })
}

func TestAShortageThatMayNotBeReadKeepsNoInstanceFromBeingSeen(t *testing.T) {
	t.Parallel()
	b := newBench(t, 2)
	b.OCI.AddFault(sim.Fault{Operation: "ListWorkRequests", Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1})
	NewWithT(t).Expect(b.OCI.SetCapacity(b.Tenancies[0].Name, sim.CapacityKey{Shape: "VM.Standard.A1.Flex"}, 1)).To(Succeed())
	b.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("PoolReady False PoolScaling"))
		g.Expect(helpers.MessageOf(b.own, expv1.PoolReadyCondition)).To(ContainSubstring(`1 of 2 instances; OCI does not say why`))
		g.Expect(b.own.Status.Ready).To(HaveValue(BeTrue()), "one has joined")
	})
}
