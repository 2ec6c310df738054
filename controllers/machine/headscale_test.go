// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"net/netip"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// controlServers are all that a tailnet may be at.
var controlServers = []tailnetsim.Mode{
	tailnetsim.Tailscale, tailnetsim.Headscale, tailnetsim.Headscale029, tailnetsim.Headscale028,
}

// A cluster with a VIP: two control planes and a worker come, a router of the home has its own
// approval, one control plane leaves, and then all the others.
func TestAClustersLifeIsTheSameAtEveryControlServer(t *testing.T) {
	t.Parallel()
	for _, mode := range controlServers {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{TailnetMode: mode})
			home, route := netip.MustParsePrefix("192.168.77.0/24"), netip.MustParsePrefix(vip+"/32")
			router := b.Control.Add("home-router", func(d *tailnetsim.Device) { d.Enabled = []netip.Prefix{home} })
			machines := map[string]*infrav1.OCIMeshMachine{}
			for _, name := range []string{"first", "second", "worker"} {
				if name == "worker" {
					machines[name] = b.machine(t, name)
				} else {
					machines[name] = b.machine(t, name, controlPlane)
				}
				own := machines[name]
				b.untilProvisioned(t, own)
				helpers.ExpectConditions(t, own, allIsWell...)
				g.Expect(own.Status.Tailnet.KeyID).To(BeEmpty(), "the key was used")
				device, found := b.Device(own.Status.Tailnet.DeviceID)
				g.Expect(found).To(BeTrue())
				g.Expect(device.Hostname).To(Equal(own.Status.Tailnet.Hostname))
			}
			g.Expect(b.Control.Leftovers().Keys).To(BeEmpty())

			// A person approves a network behind a control plane.
			first := machines["first"].Status.Tailnet.DeviceID
			g.Expect(b.Control.Change(first, func(d *tailnetsim.Device) { d.Enabled = []netip.Prefix{home} })).To(Succeed())
			b.until(t, machines["first"], func(g Gomega) { g.Expect(b.enabled(first)).To(ConsistOf(home, route)) })
			second := machines["second"].Status.Tailnet.DeviceID
			b.until(t, machines["second"], func(g Gomega) { g.Expect(b.enabled(second)).To(ConsistOf(route)) })
			g.Expect(b.enabled(machines["worker"].Status.Tailnet.DeviceID)).To(BeEmpty())

			for _, name := range []string{"first", "worker", "second"} {
				b.delete(t, machines[name])
				_, left := b.Device(machines[name].Status.Tailnet.DeviceID)
				g.Expect(left).To(BeFalse())
			}
			g.Expect(b.enabled(router.ID)).To(ConsistOf(home))
			c, err := b.Clients.TailnetClient(t.Context(), b.Tailnet)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(c.UsableKeys(t.Context(), 0)).To(BeEmpty())
		})
	}
}

// The API v1 says which key a device joined with: a device that took the machine's name before it
// came keeps nothing from it.
func TestAServerThatNamesTheKeyTellsTheMachineFromWhoHasItsName(t *testing.T) {
	t.Parallel()
	for _, mode := range []tailnetsim.Mode{tailnetsim.Headscale029, tailnetsim.Headscale028} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{TailnetMode: mode})
			own := b.launchedAsleep(t)
			intruder := b.Intruder(t, own.Status.Tailnet.Hostname, helpers.NodeTag)
			b.settle(t, own, 10)
			g.Expect(own.Status.Tailnet.DeviceID).To(BeEmpty())

			b.wake(t, own)
			b.untilProvisioned(t, own)

			g.Expect(own.Status.Tailnet.DeviceID).NotTo(Equal(intruder.ID))
			b.delete(t, own)
			_, left := b.Device(intruder.ID)
			g.Expect(left).To(BeTrue())
		})
	}
}

// A crash loses the answer: no other machine's key is ended for it.
func TestALostKeyOfHeadscaleIsLeftToItsHour(t *testing.T) {
	t.Parallel()
	for _, mode := range []tailnetsim.Mode{tailnetsim.Headscale029, tailnetsim.Headscale028} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{TailnetMode: mode})
			c, err := b.Clients.TailnetClient(t.Context(), b.Tailnet)
			g.Expect(err).NotTo(HaveOccurred())
			neighbours, err := c.CreateKey(t.Context(), tailnet.KeySpec{Tags: []string{helpers.NodeTag}})
			g.Expect(err).NotTo(HaveOccurred())
			b.Control.Inject(tailnetsim.Fault{Operation: tailnetsim.OpCreateKey, LoseAnswer: true})
			own := b.machine(t, "worker")

			b.untilProvisioned(t, own)
			b.delete(t, own)

			g.Expect(c.KeyIsLive(t.Context(), neighbours.ID, time.Now())).To(BeTrue())
			g.Expect(b.Control.Leftovers().Devices).To(BeEmpty())
		})
	}
}
