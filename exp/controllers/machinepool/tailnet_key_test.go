// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestTheKeyIsRotatedAheadOfItsEnd(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	first := b.own.Status.Configuration
	keys := b.Control.Keys()
	g.Expect(keys).To(HaveLen(1))
	g.Expect(keys[0].Reusable).To(BeTrue())
	g.Expect(keys[0].Ephemeral).To(BeFalse())
	g.Expect(keys[0].Preauthorized).To(BeTrue())
	g.Expect(keys[0].Tags).To(ConsistOf(helpers.NodeTag))
	kept := names(b.machines(t))

	b.sleep(11 * time.Hour)
	b.untilReady(t, 1)
	g.Expect(b.own.Status.Configuration).To(Equal(first), "not yet")
	b.sleep(2 * time.Hour)
	b.until(t, func(g Gomega) {
		g.Expect(b.own.Status.Configuration.KeyID).NotTo(Equal(first.KeyID))
		g.Expect(b.left(t, "instanceconfiguration")).To(Equal(1), "the old one is deleted")
		g.Expect(b.Control.Leftovers().Keys).To(HaveLen(1), "the old one is revoked")
		g.Expect(b.own.Status.Pool.State).To(Equal("RUNNING"))
	})
	g.Expect(names(b.machines(t))).To(Equal(kept), "no instance is replaced")

	b.scaleTo(t, 2)
	b.untilReady(t, 2)
	b.delete(t)
	b.expectNothingLeft(t)
}

// An instance whose key the tailnet does not take would run and never join.
func TestNoKeyIsMadeInATailnetThatIsNotReady(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.SetReady(t, b.Tailnet, metav1.ConditionFalse, "TagNotPermitted", "Add the tag to the policy")
	b.untilConditions(t, "Ready False TailnetNotReady", "TailnetReady False TailnetNotReady", "ConfigurationReady False Waiting",
		"PoolReady False Waiting", "InstancesReady True Ready")
	g.Expect(helpers.MessageOf(b.own, infrav1.TailnetReadyCondition)).To(And(
		ContainSubstring(b.Tailnet.Name), ContainSubstring("Add the tag to the policy")))
	g.Expect(b.Control.Keys()).To(BeEmpty())
	g.Expect(b.calls("CreateInstancePool")).To(BeZero())

	b.MakeReady(t)
	b.untilReady(t, 1)
	// One that is there is good for those that come meanwhile.
	b.SetReady(t, b.Tailnet, metav1.ConditionFalse, "TagNotPermitted", "Add the tag to the policy")
	b.scaleTo(t, 2)
	b.untilReady(t, 2)
}

func TestInstancesToComeJoinWithTheTagsOfNow(t *testing.T) {
	t.Parallel()
	for _, mode := range []tailnetsim.Mode{tailnetsim.Tailscale, tailnetsim.Headscale} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBenchAt(t, mode, 2)
			b.untilReady(t, 2)
			first, kept := b.own.Status.Configuration, names(b.machines(t))
			b.setNodeTags(t, "tag:k8s-worker")
			b.deleteOne(t)

			b.until(t, func(g Gomega) { g.Expect(names(b.machines(t))).NotTo(ConsistOf(kept)) })
			b.untilReady(t, 2)

			var tags []string
			for _, device := range b.Control.Devices() {
				tags = append(tags, device.Tags...)
			}
			g.Expect(tags).To(ConsistOf(helpers.NodeTag, "tag:k8s-worker"), "who has joined keeps the old ones, and is known by its id")
			b.until(t, func(g Gomega) {
				g.Expect(b.keys()).To(ConsistOf(b.own.Status.Configuration.KeyID), "nobody waits to join with the first")
			})
			g.Expect(b.own.Status.Configuration.KeyID).NotTo(Equal(first.KeyID))
			b.delete(t)
			b.expectNothingLeft(t)
		})
	}
}

// setNodeTags has the Tailnet give the tags from now on, as its policy allows.
func (b *bench) setNodeTags(t *testing.T, tags ...string) {
	t.Helper()
	owners := map[string][]string{helpers.ProviderTag: nil, helpers.NodeTag: {helpers.ProviderTag}, helpers.ControlPlaneTag: {helpers.ProviderTag}}
	for _, tag := range tags {
		owners[tag] = []string{helpers.ProviderTag}
	}
	NewWithT(t).Expect(b.Control.SetPolicy(owners, nil)).To(Succeed())
	helpers.Update(t, b.Environment, b.Tailnet, func(tn *infrav1.Tailnet) { tn.Spec.NodeTags = tags })
}

func TestAKeyWhoseTagsNobodyRecordedIsKept(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	before, made := b.own.Status.Configuration, b.calls("CreateInstanceConfiguration")
	// A release before the record wrote none.
	g.Expect(b.Client.Status().Patch(t.Context(), b.own, client.RawPatch(types.MergePatchType,
		[]byte(`{"status":{"configuration":{"keyTags":null}}}`)))).To(Succeed())

	b.restart()
	b.passes(t, 5)
	b.untilReady(t, 1)

	g.Expect(b.own.Status.Configuration.KeyID).To(Equal(before.KeyID))
	g.Expect(b.Control.Keys()).To(HaveLen(1))
	g.Expect(b.calls("CreateInstanceConfiguration")).To(Equal(made))
}
