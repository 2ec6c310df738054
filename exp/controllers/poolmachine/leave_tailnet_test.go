// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine_test

import (
	"testing"

	. "github.com/onsi/gomega"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// Anybody on the tailnet can call himself as a node does. What nothing proves to be the node's
// stays, and somebody is told of it.
type leaving struct {
	// join has devices join, and returns the names of those that stay.
	join func(t *testing.T, b *bench, object *expv1.OCIMeshMachinePoolMachine) (staying []string)
	told bool
}

// leavings are the devices that there are when a machine is deleted.
var leavings = map[string]leaving{
	"it never joined": {func(*testing.T, *bench, *expv1.OCIMeshMachinePoolMachine) []string { return nil }, false},
	"it is recorded": {func(t *testing.T, b *bench, object *expv1.OCIMeshMachinePoolMachine) []string {
		b.untilJoined(t, object)
		return nil
	}, false},
	"it joined after the last look": {func(_ *testing.T, b *bench, object *expv1.OCIMeshMachinePoolMachine) []string {
		b.join(object)
		return nil
	}, false},
	"it is recorded, and a stranger has its name": {func(t *testing.T, b *bench, object *expv1.OCIMeshMachinePoolMachine) []string {
		b.untilJoined(t, object)
		return []string{b.join(object).Name}
	}, true},
	"two could be its own": {func(_ *testing.T, b *bench, object *expv1.OCIMeshMachinePoolMachine) []string {
		return []string{b.join(object).Name, b.join(object).Name}
	}, true},
	"one of its name has other tags": {func(_ *testing.T, b *bench, object *expv1.OCIMeshMachinePoolMachine) []string {
		router := b.Control.Add(object.Name, func(d *tailnetsim.Device) { d.Tags = []string{helpers.ControlPlaneTag} })
		return []string{router.Name}
	}, true},
	"a person's laptop has its name": {func(_ *testing.T, b *bench, object *expv1.OCIMeshMachinePoolMachine) []string {
		return []string{b.Control.Add(object.Name, func(*tailnetsim.Device) {}).Name}
	}, false},
	"somebody removed it already": {func(t *testing.T, b *bench, object *expv1.OCIMeshMachinePoolMachine) []string {
		b.untilJoined(t, object)
		b.removeDevice(t, object.Status.Tailnet.DeviceID)
		return nil
	}, false},
}

func TestADeviceLeavesWithItsInstanceIfItIsProven(t *testing.T) {
	for name, world := range leavings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			object := b.node(t)
			staying := world.join(t, b, object)

			b.delete(t, object)

			g.Expect(b.state()).To(Equal("TERMINATED"))
			var left []string
			for _, device := range b.Control.Devices() {
				left = append(left, device.Name)
			}
			g.Expect(left).To(ConsistOf(staying))
			if !world.told {
				g.Expect(b.recorder.Events()).NotTo(ContainElement(ContainSubstring("DeviceLeft")))
				return
			}
			for _, device := range staying {
				g.Expect(b.recorder.Events()).To(ContainElement(And(HavePrefix("Warning DeviceLeft"), ContainSubstring(device))))
			}
		})
	}
}

// untilJoined has the instance join, and its device recorded.
func (b *bench) untilJoined(t *testing.T, object *expv1.OCIMeshMachinePoolMachine) {
	t.Helper()
	device := b.join(object)
	b.until(t, object, func(g Gomega) { g.Expect(object.Status.Tailnet.DeviceID).To(Equal(device.ID)) })
}

// removeDevice does what somebody does in the tailnet's admin console.
func (b *bench) removeDevice(t *testing.T, id string) {
	t.Helper()
	g := NewWithT(t)
	c, err := b.Clients.TailnetClient(t.Context(), b.Tailnet)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(c.DeleteDevice(t.Context(), ownership.Recorded(id))).To(Succeed())
}

func TestATailnetThatDoesNotAnswerKeepsTheObjectAndNotTheInstance(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	object, device := b.joined(t)
	b.Control.SetUnreachable(true)
	b.untilDeletionWaits(t, object, "Unavailable")
	g.Expect(b.state()).To(Equal("TERMINATED"))
	g.Expect(b.Control.Devices()).To(HaveLen(1), device.Name)

	b.Control.SetUnreachable(false)
	b.untilGone(t, object)
	g.Expect(b.Control.Devices()).To(BeEmpty())
}
