// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
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
