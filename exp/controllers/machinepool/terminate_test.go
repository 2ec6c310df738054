// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestTheEndOfAPoolWaitsUntilOCIHasEndedIt(t *testing.T) {
	for name, world := range map[string]struct {
		fault  sim.Fault
		reason string
	}{
		"OCI does not answer": {
			sim.Fault{Operation: "TerminateInstancePool", Status: 503, Code: "ServiceUnavailable", Times: -1}, "Unavailable",
		},
		"another change is under way": {
			sim.Fault{Operation: "TerminateInstancePool", Status: 409, Code: "IncorrectState", Times: -1}, "WaitingForTermination",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, 0)
			b.untilReady(t, 0)
			b.OCI.AddFault(world.fault)
			b.untilDeletionWaits(t, world.reason)
			g.Expect(b.left(t, "instancepool")).To(Equal(1))
			g.Expect(b.left(t, "instanceconfiguration")).To(Equal(1), "the pool uses it")

			b.OCI.ClearFaults()
			b.delete(t)
			b.expectNothingLeft(t)
		})
	}
}

// Machines end with the pool, each by its own object.
func TestAPoolThatSomebodyTerminatedIsNotAskedToEnd(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	c, err := b.Clients.OCI(t.Context(), b.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.TerminateInstancePool(t.Context(), ownership.Recorded(b.own.Status.Pool.ID))).To(Succeed())
	eventually(g, func(g Gomega) {
		pool, err := c.GetInstancePool(t.Context(), b.own.Status.Pool.ID)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(pool.State).To(Equal(oci.StateTerminated))
	})

	b.delete(t)

	g.Expect(b.calls("TerminateInstancePool")).To(Equal(1), "somebody's")
	b.expectNothingLeft(t)
}
