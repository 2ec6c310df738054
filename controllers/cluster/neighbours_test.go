// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// Somebody makes a cluster that can never come up, and leaves it lying. The third one may be beside
// the first.
func TestAClusterThatIsRefusedKeepsNoLaterOneOut(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		refused   []change
		podRanges []string
		condition string
		third     []change
	}{
		"a living cluster has its pods": {refused: []change{routed}, condition: "RangesDistinct False PodRangeInUse"},
		"the podRanges of its Tailnet refuse it": {
			refused: []change{routed, pods("10.244.0.0/14")}, podRanges: []string{"10.99.0.0/16"},
			condition: "RangesDistinct False PodRangeNotAllowed",
		},
		"its own ranges overlap": {refused: []change{routed, services("10.244.0.0/20")}, condition: "RangesDistinct False RangesOverlap"},
		"its services are in a VIP range": {
			refused: []change{routed, external, services("10.250.0.0/24")}, condition: "RangesDistinct False VIPRangeOverlap",
		},
		"its services are where its own address would be": {
			refused: []change{routed, pods("10.60.0.0/16"), services("10.250.0.0/24")}, condition: "EndpointReady False VIPRangeOverlap",
			third: []change{pods("10.60.0.0/16")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, helpers.WorldOptions{Accounts: 1})
			first := b.cluster("c1")
			b.until(first, "Ready True Ready")
			home := b.Tailnet
			if world.podRanges != nil {
				b.Tailnet = helpers.NewTailnet(b.Namespace+"-edge", b.TailnetCredentials, b.Control.URL(), "")
				b.Tailnet.Spec.PodRanges = world.podRanges
				b.Create(t, b.Tailnet)
				b.SetReady(t, b.Tailnet, metav1.ConditionTrue, infrav1.ReadyReason, "")
			}
			refused := b.cluster("c2", world.refused...)
			b.until(refused, world.condition)
			b.Tailnet = home

			third := b.cluster("c3", world.third...)
			b.until(third, "Ready True Ready")
			b.g.Expect(helpers.ConditionsOf(third)).To(ContainElement("RangesDistinct True Ready"))

			b.deleted(first)
			_, err := b.reconcile(refused)
			b.g.Expect(err).NotTo(HaveOccurred())
			b.g.Expect(refused.Status.Initialization.Provisioned).To(BeNil(), "nor does it come up when the first goes")
			b.until(third, "Ready True Ready")
		})
	}
}

// What a cluster keeps out comes up once that is gone, and the elder of two first.
func TestAClusterThatIsKeptOutByOneThatGoesIsStillFirst(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	first := b.cluster("c1")
	b.until(first, "Ready True Ready")
	machine := b.machineIn(first, "c1-1", b.AccountNames()[0])
	second := b.cluster("c2", routed)
	b.refused(second, infrav1.PodRangeInUseReason)
	b.g.Expect(b.Client.Delete(t.Context(), first.DeepCopy())).To(Succeed())
	b.until(first, "Deleting True InUse")

	// Of two clusters made within one second, the one with VXLAN would come first.
	b.g.Eventually(time.Now, timeout, b.pause).Should(BeTemporally(">=", second.CreationTimestamp.Add(time.Second)))
	third := b.cluster("c3")
	b.refused(third, infrav1.PodRangeInUseReason)
	b.g.Expect(helpers.MessageOf(third, infrav1.RangesDistinctCondition)).To(ContainSubstring(b.Namespace + "/c2"))

	b.g.Expect(b.Client.Delete(t.Context(), machine)).To(Succeed())
	b.untilGone(first)
	b.until(second, "Ready True Ready")
	b.g.Expect(second.Status.Initialization.Provisioned).To(Equal(ptr.To(true)))
	b.refused(third, infrav1.PodRangeInUseReason)
}
