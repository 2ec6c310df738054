// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestWhatKeepsADeviceFromTalkingIsToldAndHeals(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	object, device := b.joined(t)
	for name, world := range map[string]struct {
		spoil, heal func(*tailnetsim.Device)
		reason      string
		helps       string
	}{
		"it lost the coordination server": {
			func(d *tailnetsim.Device) { d.Online = false }, func(d *tailnetsim.Device) { d.Online = true },
			"DeviceOffline", "see that the instance reaches the Internet",
		},
		"nobody has approved it": {
			func(d *tailnetsim.Device) { d.Authorized = false }, func(d *tailnetsim.Device) { d.Authorized = true },
			"DeviceNotAuthorized", "approve it in the tailnet's admin console",
		},
		"Tailnet Lock is on": {
			func(d *tailnetsim.Device) { d.LockError = "node key is not signed" }, func(d *tailnetsim.Device) { d.LockError = "" },
			"DeviceLocked", "sign its node key",
		},
		"its key has expired": {
			func(d *tailnetsim.Device) { d.KeyExpiryDisabled, d.Expires = false, time.Now().Add(-time.Hour) },
			func(d *tailnetsim.Device) { d.KeyExpiryDisabled, d.Expires = true, time.Time{} },
			"DeviceKeyExpired", "disable key expiry for the device",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(b.Control.Change(device.ID, world.spoil)).To(Succeed())
			b.untilConditions(t, object, "False "+world.reason, "True Ready", "False "+world.reason)
			g.Expect(helpers.MessageOf(object, infrav1.TailnetReadyCondition)).To(And(ContainSubstring(device.Name), ContainSubstring(world.helps)))

			g.Expect(b.Control.Change(device.ID, world.heal)).To(Succeed())
			b.untilConditions(t, object, "True Ready", "True Ready", "True Ready")
			g.Expect(helpers.MessageOf(object, infrav1.TailnetReadyCondition)).To(BeEmpty())
		})
	}
}

// A node that is about to drop out of the tailnet is Ready until it has.
func TestAKeyThatIsGoingToExpireIsToldWithItsDate(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	object, device := b.joined(t)
	expires := time.Date(2099, 1, 2, 3, 4, 5, 0, time.UTC)
	g.Expect(b.Control.Change(device.ID, func(d *tailnetsim.Device) { d.KeyExpiryDisabled, d.Expires = false, expires })).To(Succeed())
	b.until(t, object, func(g Gomega) {
		g.Expect(helpers.MessageOf(object, infrav1.TailnetReadyCondition)).To(And(
			ContainSubstring(device.Name), ContainSubstring("2099-01-02T03:04:05Z"), ContainSubstring("disable key expiry")))
	})
	helpers.ExpectConditions(t, object, "Ready True Ready", "InstanceReady True Ready", "TailnetReady True Ready",
		"Deleting False NotDeleting", "Paused False NotPaused")
}

func TestAMachineThatDoesNotJoinIsToldAndMayComeLate(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	object := b.node(t)
	b.untilConditions(t, object, "False Joining", "True Ready", "False Joining")
	g.Expect(helpers.MessageOf(object, infrav1.TailnetReadyCondition)).To(HaveSuffix("join the tailnet as " + object.Name))

	b.advance = 21 * time.Minute
	b.untilConditions(t, object, "False JoinTimeout", "True Ready", "False JoinTimeout")
	g.Expect(helpers.MessageOf(object, infrav1.TailnetReadyCondition)).To(And(ContainSubstring("within 20m0s"), ContainSubstring("console log")))

	b.join(object)
	b.untilConditions(t, object, "True Ready", "True Ready", "True Ready")
}

func TestADeviceThatIsNotProvenIsNotTaken(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	object := b.node(t)
	router := b.Control.Add(object.Name, func(d *tailnetsim.Device) { d.Tags = []string{helpers.ControlPlaneTag} })
	b.untilConditions(t, object, "False Joining", "True Ready", "False Joining")
	g.Expect(helpers.MessageOf(object, infrav1.TailnetReadyCondition)).To(ContainSubstring(router.Name), "whose key was it?")
	old := b.Control.Add(object.Name, func(d *tailnetsim.Device) {
		d.Tags, d.Created = []string{helpers.NodeTag}, time.Now().Add(-time.Hour)
	})
	b.until(t, object, func(g Gomega) {
		g.Expect(helpers.MessageOf(object, infrav1.TailnetReadyCondition)).To(ContainSubstring(old.Name), "it is older than the instance")
	})

	one, two := b.join(object), b.join(object)
	b.untilConditions(t, object, "False DeviceAmbiguous", "True Ready", "False DeviceAmbiguous")
	g.Expect(helpers.MessageOf(object, infrav1.TailnetReadyCondition)).To(And(
		ContainSubstring(one.Name), ContainSubstring(two.Name), ContainSubstring("remove those that are not the machine's")))
	g.Expect(object.Status.Tailnet.DeviceID).To(BeEmpty())
	g.Expect(object.Status.Initialization.Provisioned).To(BeNil())

	b.removeDevice(t, two.ID)
	b.untilConditions(t, object, "True Ready", "True Ready", "True Ready")
	g.Expect(object.Status.Tailnet.DeviceID).To(Equal(one.ID))
}

// Another device never takes the place of the one that the machine joined as.
func TestALostDeviceIsTold(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	object, device := b.joined(t)
	before := object.Status.Tailnet
	b.status(t, object, `{"tailnet":{"name":"somewhere-else"}}`)
	b.untilConditions(t, object, "False DeviceLost", "True Ready", "False DeviceLost")
	g.Expect(helpers.MessageOf(object, infrav1.TailnetReadyCondition)).To(ContainSubstring("joined Tailnet somewhere-else"))

	b.status(t, object, `{"tailnet":{"name":%q}}`, before.Name)
	b.untilConditions(t, object, "True Ready", "True Ready", "True Ready")
	b.removeDevice(t, device.ID)
	again := b.join(object)
	b.untilConditions(t, object, "False DeviceLost", "True Ready", "False DeviceLost")
	g.Expect(helpers.MessageOf(object, infrav1.TailnetReadyCondition)).To(And(ContainSubstring(device.ID), ContainSubstring(again.Name)))
	g.Expect(object.Status.Tailnet).To(Equal(before))
}

func TestTheDeviceOfAStoppedInstanceIsNotSaidToBeOnItsWay(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	object, device := b.joined(t)
	g.Expect(b.OCI.StopInstance(b.instance)).To(Succeed())
	g.Expect(b.Control.SetOnline(device.ID, false)).To(Succeed())
	b.until(t, object, func(g Gomega) { g.Expect(object.Status.Instance.State).To(Equal("STOPPED")) })
	b.untilConditions(t, object, "False InstanceStopped", "False InstanceStopped", "False Waiting")
	g.Expect(helpers.MessageOf(object, infrav1.TailnetReadyCondition)).To(Equal("The device is offline, since the instance is STOPPED"))
}
