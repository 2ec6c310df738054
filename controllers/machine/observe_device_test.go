// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

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

func TestAMachineThatDoesNotJoinIsToldFromOneThatBoots(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{})
	b.booter.setAsleep(true)
	own := b.machine(t, "machine")
	b.untilCondition(t, own, "Ready False Joining")
	b.sleep(21 * time.Minute)
	b.untilCondition(t, own, "Ready False JoinTimeout")
	b.delete(t, own)
	b.expectNothingLeft(t)
}

func TestAMachineWhoseDeviceCannotTalkHasNotJoined(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		spoil, fix  func(*tailnetsim.Device)
		reason, say string
	}{
		"not authorised": {
			func(d *tailnetsim.Device) { d.Authorized = false }, func(d *tailnetsim.Device) { d.Authorized = true },
			infrav1.DeviceNotAuthorizedReason, "approve it",
		},
		"Tailnet Lock": {
			func(d *tailnetsim.Device) { d.LockError = "node key is not signed" }, func(d *tailnetsim.Device) { d.LockError = "" },
			infrav1.DeviceLockedReason, "node key is not signed",
		},
		"expired key": {
			func(d *tailnetsim.Device) { d.KeyExpiryDisabled, d.Expires = false, time.Now().Add(-time.Hour) },
			func(d *tailnetsim.Device) { d.KeyExpiryDisabled = true },
			infrav1.DeviceKeyExpiredReason, "disable key expiry",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			own := b.launchedAsleep(t)
			b.wake(t, own)
			id := b.Control.Devices()[0].ID
			g.Expect(b.Control.Change(id, world.spoil)).To(Succeed())
			b.untilCondition(t, own, "TailnetReady False "+world.reason)
			b.settle(t, own, 10)
			g.Expect(own.Spec.ProviderID).To(BeEmpty(), "not handed over")
			g.Expect(helpers.MessageOf(own, infrav1.TailnetReadyCondition)).To(ContainSubstring(world.say))

			g.Expect(b.Control.Change(id, world.fix)).To(Succeed())
			b.untilProvisioned(t, own)
			g.Expect(b.Control.Change(id, world.spoil)).To(Succeed())
			b.untilCondition(t, own, "Ready False "+world.reason)
			b.delete(t, own)
			b.expectNothingLeft(t)
		})
	}
}

func TestKeyExpiryThatWasSwitchedOnIsToldWithItsDate(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")
	b.untilProvisioned(t, own)
	g.Expect(helpers.MessageOf(own, infrav1.TailnetReadyCondition)).To(BeEmpty())
	expires := time.Date(2099, 1, 2, 3, 4, 5, 0, time.UTC)
	g.Expect(b.Control.Change(own.Status.Tailnet.DeviceID, func(d *tailnetsim.Device) { d.KeyExpiryDisabled, d.Expires = false, expires })).To(Succeed())
	b.until(t, own, func(g Gomega) {
		condition := conditions.Get(own, infrav1.TailnetReadyCondition)
		g.Expect(condition.Status).To(Equal(metav1.ConditionTrue))
		g.Expect(condition.Message).To(ContainSubstring("2099-01-02T03:04:05Z"))
	})
}
