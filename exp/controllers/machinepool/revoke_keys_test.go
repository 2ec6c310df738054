// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
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

// newBenchAt is at a control server of the mode.
func newBenchAt(t *testing.T, mode tailnetsim.Mode, replicas int32) *bench {
	t.Helper()
	return (&bench{podNetwork: infrav1.PodNetworkVXLAN, mode: mode}).begin(t, replicas)
}

// Released Headscales keep no descriptions of keys.
func TestAPoolsKeyEndsWithThePoolAtEveryControlServer(t *testing.T) {
	t.Parallel()
	for _, mode := range []tailnetsim.Mode{tailnetsim.Tailscale, tailnetsim.Headscale, tailnetsim.Headscale029, tailnetsim.Headscale028} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBenchAt(t, mode, 1)
			b.untilReady(t, 1)
			c, id := b.tailnetClient(t), b.own.Status.Configuration.KeyID
			g.Expect(c.KeyIsLive(t.Context(), id, time.Now())).To(BeTrue(), "the next instance joins with it")

			b.delete(t)

			g.Expect(c.KeyIsLive(t.Context(), id, time.Now())).To(BeFalse())
			b.expectNothingLeft(t)
		})
	}
}
