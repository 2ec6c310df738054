// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestALargerShapeCountsUntilOCIIsToldOfTheSmallerOne(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.setOCPUs(t, 3)
	b.untilReady(t, 1)
	b.OCI.AddFault(sim.Fault{Operation: "UpdateInstancePool", Status: 503, Code: "ServiceUnavailable", Times: -1})

	b.wants(t, 1)
	b.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("PoolReady False Unavailable"))
	})
	g.Expect(b.own.Status.Granted.Shape.OCPUs).To(BeEquivalentTo(2))

	b.OCI.ClearFaults()
	b.until(t, func(g Gomega) { g.Expect(b.own.Status.Granted.Shape.OCPUs).To(BeEquivalentTo(1)) })
	b.untilReady(t, 1)
}
