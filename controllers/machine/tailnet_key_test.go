// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestTheKeyIsNowhereButInItsSecret(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.booter.setAsleep(true)
	own := b.machine(t, "worker")
	b.untilCondition(t, own, "TailnetReady False Joining")

	secrets := &corev1.SecretList{}
	g.Expect(b.Client.List(t.Context(), secrets, client.InNamespace(b.ManagerNamespace))).To(Succeed())
	g.Expect(secrets.Items).To(HaveLen(1))
	keys := b.Control.Leftovers().Keys
	g.Expect(keys).To(HaveLen(1))
	g.Expect(keys[0].Reusable).To(BeFalse())
	g.Expect(keys[0].Ephemeral).To(BeFalse())
	g.Expect(keys[0].Tags).To(ConsistOf(helpers.NodeTag))
	g.Expect(fmt.Sprintf("%+v", own.Status)).NotTo(ContainSubstring(string(secrets.Items[0].Data["authKey"])))

	b.delete(t, own)
	b.expectNothingLeft(t)
}

func TestPatienceBeyondAKeysLifeMakesNoKeyAPass(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	b.r.Options.JoinTimeout = 2 * time.Hour
	b.OCI.AddFault(sim.Fault{Operation: "LaunchInstance", AfterCommit: true, Reset: true})
	own := b.machine(t, "worker")
	b.untilPlaced(t, own)
	for range 2 {
		s := b.scopeOf(t, own)
		g.Expect(s.key.Load(t.Context())).To(Succeed())
		g.Expect(b.r.prerequisites(t.Context(), s)).To(Succeed())
		g.Expect(b.r.bootstrapData(t.Context(), s)).To(Succeed())
		g.Expect(b.r.tailnetKey(t.Context(), s)).To(Succeed())
		_ = b.r.launcher().launch(t.Context(), s)
	}
	g.Expect(b.Control.Keys()).To(HaveLen(1))
	g.Expect(b.instances(t)).To(HaveLen(1))
}
