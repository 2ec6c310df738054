// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// Whoever has read a key off an instance must not join while the pool ends. That a key works is
// worse than that an instance runs for longer.
func TestKeysAreRevokedBeforeAnythingEnds(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	b.Control.Inject(tailnetsim.Fault{Operation: tailnetsim.OpDeleteKey, Status: 503, Times: 1e6})
	b.untilDeletionWaits(t, "Unavailable")
	g.Expect(b.calls("TerminateInstancePool")).To(BeZero())
	g.Expect(b.keySecrets(t)).To(HaveLen(1), "it says which key works")

	// OCI ends nothing for the moment.
	b.OCI.AddFault(sim.Fault{Operation: "TerminateInstancePool", Status: 503, Code: "ServiceUnavailable", Times: -1})
	b.Control.ClearFaults()
	b.until(t, func(g Gomega) { g.Expect(b.calls("TerminateInstancePool")).NotTo(BeZero()) })
	g.Expect(b.Control.Leftovers().Keys).To(BeEmpty())
	g.Expect(b.keySecrets(t)).To(BeEmpty())
	g.Expect(b.instances(t)).To(HaveLen(1))

	b.OCI.ClearFaults()
	b.delete(t)
	b.expectNothingLeft(t)
}

// Without the OCIMeshCluster nobody knows the tailnet: what is in OCI ends all the same.
func TestAPoolThatMadeNothingGoesWithoutItsTailnet(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.provisioned(t, false)
	b.until(t, func(g Gomega) { g.Expect(b.own.Finalizers).NotTo(BeEmpty()) })
	for _, object := range []client.Object{b.infraCluster(t), b.Tailnet} {
		g.Expect(b.Client.Delete(t.Context(), object)).To(Succeed())
	}

	b.delete(t)

	b.expectNothingLeft(t)
	g.Expect(b.calls("CreateInstancePool") + b.calls("TerminateInstancePool")).To(BeZero())
}
