// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestT4WhoGetsAPoolMachinesNumberFromARestoredServerIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, mode := range []tailnetsim.Mode{tailnetsim.Headscale, tailnetsim.Headscale029} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := (&bench{podNetwork: infrav1.PodNetworkTailnetRoutes, mode: mode}).begin(t, 1)
			b.untilReady(t, 1)
			before := b.machines(t)[0].Status.Tailnet
			home := prefixes("192.168.77.0/24")
			laptop := b.Successor(t, before.DeviceID, "laptop", home...)
			g.Expect(b.Control.Advertise(laptop.ID, prefixes("10.244.3.0/24", "192.168.77.0/24")...)).To(Succeed())

			b.until(t, func(g Gomega) {
				node := b.machines(t)[0]
				g.Expect(conditions.GetReason(&node, infrav1.TailnetReadyCondition)).To(Equal(infrav1.DeviceLostReason))
			})
			for range 10 {
				g.Expect(b.pass(t.Context())).To(Succeed())
			}
			node := b.machines(t)[0]
			g.Expect(node.Status.Tailnet).To(Equal(before), "nothing of the laptop is recorded")
			g.Expect(helpers.MessageOf(&node, infrav1.TailnetReadyCondition)).To(And(
				ContainSubstring("another device, "+laptop.Name), ContainSubstring("restored from a backup")))
			now, _ := b.Device(laptop.ID)
			g.Expect(now.Enabled).To(ConsistOf(home))

			b.delete(t)
			now, left := b.Device(laptop.ID)
			g.Expect(left).To(BeTrue())
			g.Expect(now.Enabled).To(ConsistOf(home))
		})
	}
}

func TestTheCreationIsAddedToAPoolMachinesStatusOfAnOlderVersion(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.untilReady(t, 1)
	older := b.machines(t)[0]
	before := older.Status.Tailnet
	device, _ := b.Device(before.DeviceID)
	g.Expect(before.DeviceCreated.Time).To(BeTemporally("==", device.Created.Truncate(time.Second)))

	older.Status.Tailnet.DeviceCreated = metav1.Time{}
	g.Expect(b.Client.Status().Update(t.Context(), &older)).To(Succeed())

	b.until(t, func(g Gomega) { g.Expect(b.machines(t)[0].Status.Tailnet).To(Equal(before)) })
}
