// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// counting are the control servers that count devices: one restored from an older backup, or set up
// anew, gives numbers out again.
var counting = []tailnetsim.Mode{tailnetsim.Headscale, tailnetsim.Headscale029, tailnetsim.Headscale028}

// withoutCreation makes the status one of a version that recorded no creation.
func (b *bench) withoutCreation(t *testing.T, own *infrav1.OCIMeshMachine) {
	t.Helper()
	own.Status.Tailnet.DeviceCreated = metav1.Time{}
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), own)).To(Succeed())
}

func TestT4WhoGetsAMachinesNumberFromARestoredServerIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, mode := range counting {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{TailnetMode: mode})
			own := b.machine(t, "victim", controlPlane)
			b.untilProvisioned(t, own)
			before := own.Status.Tailnet
			home := prefixes("192.168.77.0/24")
			laptop := b.Successor(t, before.DeviceID, "laptop", home...)
			g.Expect(b.Control.Advertise(laptop.ID, prefixes(vip+"/32", home[0].String())...)).To(Succeed())

			b.untilCondition(t, own, "TailnetReady False DeviceLost")
			b.settle(t, own, 20)
			g.Expect(own.Status.Tailnet).To(Equal(before), "nothing of the laptop is recorded")
			g.Expect(b.enabled(laptop.ID)).To(ConsistOf(home))
			g.Expect(helpers.MessageOf(own, infrav1.TailnetReadyCondition)).To(And(
				ContainSubstring("Device "+before.DeviceID+", which the machine joined as, is gone"), ContainSubstring("another device, "+laptop.Name),
				ContainSubstring("restored from a backup"), ContainSubstring("Delete the Machine")))

			b.delete(t, own)
			_, left := b.Device(laptop.ID)
			g.Expect(left).To(BeTrue())
			g.Expect(b.enabled(laptop.ID)).To(ConsistOf(home), "none of its routes is withdrawn")
		})
	}
}

// A status of an older version does not say when the device was made, only its launch does.
func TestT4WhoGetsTheNumberOfAnOlderVersionsMachineIsLeftAlone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{TailnetMode: tailnetsim.Headscale029})
	own := b.machine(t, "victim", controlPlane)
	b.untilProvisioned(t, own)
	home := prefixes("192.168.77.0/24")
	laptop := b.Successor(t, own.Status.Tailnet.DeviceID, "laptop", home...)
	g.Expect(b.Control.Change(laptop.ID, func(d *tailnetsim.Device) { d.Created = d.Created.Add(time.Hour) })).To(Succeed())
	b.untilCondition(t, own, "TailnetReady False DeviceLost")

	b.withoutCreation(t, own)
	b.settle(t, own, 20)
	g.Expect(helpers.ConditionsOf(own)).To(ContainElement("TailnetReady False DeviceLost"))
	g.Expect(own.Status.Tailnet.DeviceCreated.IsZero()).To(BeTrue(), "the laptop's is not recorded")
	b.delete(t, own)

	_, left := b.Device(laptop.ID)
	g.Expect(left).To(BeTrue(), "it joined longer after the launch than the machine can have")
	g.Expect(b.enabled(laptop.ID)).To(ConsistOf(home))
}

func TestAMachineMayGetTheNumberOfALostOne(t *testing.T) {
	t.Parallel()
	for _, mode := range counting {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			var ahead atomic.Int64
			b := newBench(t, helpers.WorldOptions{
				TailnetMode: mode, TailnetClock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
			})
			lost := b.machine(t, "lost", controlPlane)
			b.untilProvisioned(t, lost)
			var known []string
			for _, neighbour := range b.Control.Neighbours() {
				known = append(known, neighbour.ID)
			}
			b.Control.Restore(known...)
			b.booter.forget(lost.Status.Instance.ID)
			ahead.Store(int64(2 * time.Second))

			living := b.machine(t, "living", controlPlane)
			b.untilProvisioned(t, living)
			g.Expect(living.Status.Tailnet.DeviceID).To(Equal(lost.Status.Tailnet.DeviceID))
			b.untilCondition(t, lost, "TailnetReady False DeviceLost")
			b.delete(t, lost)

			b.settle(t, living, 10)
			helpers.ExpectConditions(t, living, allIsWell...)
			g.Expect(b.enabled(living.Status.Tailnet.DeviceID)).To(ConsistOf(prefixes(vip + "/32")))
			b.delete(t, living)
			b.expectNothingLeft(t)
		})
	}
}

func TestAMachineThatARestoredServerKnowsIsWell(t *testing.T) {
	t.Parallel()
	for _, mode := range counting {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{TailnetMode: mode})
			own := b.machine(t, "known", controlPlane)
			b.untilProvisioned(t, own)
			before := own.Status.Tailnet
			b.Control.Restore(before.DeviceID)

			b.settle(t, own, 10)

			helpers.ExpectConditions(t, own, allIsWell...)
			g.Expect(own.Status.Tailnet).To(Equal(before))
			g.Expect(b.enabled(before.DeviceID)).To(ConsistOf(prefixes(vip + "/32")))
			b.delete(t, own)
			b.expectNothingLeft(t)
		})
	}
}

func TestTheCreationIsAddedToAStatusOfAnOlderVersion(t *testing.T) {
	t.Parallel()
	for _, mode := range controlServers {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{TailnetMode: mode})
			own := b.machine(t, "older", controlPlane)
			b.untilProvisioned(t, own)
			before := own.Status.Tailnet
			device, _ := b.Device(before.DeviceID)
			g.Expect(before.DeviceCreated.Time).To(BeTemporally("==", device.Created.Truncate(time.Second)))
			b.withoutCreation(t, own)

			b.until(t, own, func(g Gomega) { g.Expect(own.Status.Tailnet).To(Equal(before)) })
			helpers.ExpectConditions(t, own, allIsWell...)

			b.withoutCreation(t, own)
			b.delete(t, own)
			b.expectNothingLeft(t)
		})
	}
}
