// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestT1GetsNoVIPThatItsClusterDoesNotHold(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	victim := b.infra
	b.cluster, b.infra = b.newCluster(t, "green")
	b.allocateVIP(t, victim)
	own := b.machine(t, "forger", controlPlane)

	b.untilCondition(t, own, "TailnetReady False VIPNotHeld")
	b.settle(t, own, 20)
	g.Expect(b.enabled(own.Status.Tailnet.DeviceID)).To(BeEmpty())

	b.allocateVIP(t, b.infra)
	b.untilProvisioned(t, own)
	b.until(t, own, func(g Gomega) {
		g.Expect(b.enabled(own.Status.Tailnet.DeviceID)).To(ConsistOf(prefixes(vip + "/32")))
	})
	b.delete(t, own)
}

func TestT4TheVIPIsTakenFromEveryOtherDevice(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	first, second := b.machine(t, "first", controlPlane), b.machine(t, "second", controlPlane)
	for _, own := range []*infrav1.OCIMeshMachine{first, second} {
		b.until(t, own, func(g Gomega) {
			g.Expect(b.enabled(own.Status.Tailnet.DeviceID)).To(ConsistOf(prefixes(vip + "/32")))
		})
	}
	others := prefixes("192.168.1.0/24", "10.0.0.0/8", "0.0.0.0/0", "::/0")
	router := b.Control.Add("router", func(d *tailnetsim.Device) { d.Enabled = append(prefixes(vip+"/32"), others...) })
	node := b.intruder(t, "node-of-green", helpers.NodeTag)
	g.Expect(b.Control.Change(node.ID, func(d *tailnetsim.Device) { d.Enabled = prefixes(vip + "/32") })).To(Succeed())

	b.until(t, first, func(g Gomega) { g.Expect(b.enabled(router.ID)).To(ConsistOf(others)) })
	b.until(t, second, func(g Gomega) { g.Expect(b.enabled(node.ID)).To(BeEmpty()) })
	for _, own := range []*infrav1.OCIMeshMachine{first, second} {
		b.settle(t, own, 5)
		g.Expect(b.enabled(own.Status.Tailnet.DeviceID)).To(ConsistOf(prefixes(vip+"/32")), "a control plane's stays")
	}
}

// neighbours are what else is in a tailnet that people use.
func (b *bench) neighbours(t *testing.T) map[string]tailnetsim.Device {
	t.Helper()
	router := func(name string, routes ...string) tailnetsim.Device {
		return b.Control.Add(name, func(d *tailnetsim.Device) { d.Advertised, d.Enabled = prefixes(routes...), prefixes(routes...) })
	}
	green := b.intruder(t, "node-of-green", helpers.NodeTag)
	NewWithT(t).Expect(b.Control.Change(green.ID, func(d *tailnetsim.Device) {
		d.Advertised, d.Enabled = prefixes("10.244.9.0/24"), prefixes("10.244.9.0/24")
	})).To(Succeed())
	green, _ = b.device(green.ID)
	return map[string]tailnetsim.Device{
		"exit node":             router("exit", "0.0.0.0/0", "::/0"),
		"home router":           router("home", "192.168.1.0/24"),
		"office router":         router("office", "10.0.0.0/8"),
		"phone shared in":       b.Control.Add("phone", func(d *tailnetsim.Device) { d.External = true }),
		"without addresses":     b.Control.Add("bare", func(d *tailnetsim.Device) { d.IPv4, d.IPv6 = netip.Addr{}, netip.Addr{} }),
		"node of other cluster": green,
	}
}

func TestT4OtherRoutersNeitherHinderAMachineNorAreTouched(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := routedBench(t)
	neighbours := b.neighbours(t)
	own := b.machine(t, "worker")
	b.untilProvisioned(t, own)
	g.Expect(b.Control.Advertise(own.Status.Tailnet.DeviceID, prefixes("10.244.3.0/24")...)).To(Succeed())
	b.until(t, own, func(g Gomega) {
		g.Expect(b.enabled(own.Status.Tailnet.DeviceID)).To(ConsistOf(prefixes("10.244.3.0/24")), "conditions: %v", own.Status.Conditions)
	})
	b.delete(t, own)
	for name, before := range neighbours {
		now, exists := b.device(before.ID)
		g.Expect(exists).To(BeTrue(), name)
		g.Expect(now).To(Equal(before), name)
	}
}

func TestT2APodRouteThatWouldDrawOthersTrafficIsRefused(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		tag     string
		enabled []netip.Prefix
	}{
		"a node of another cluster has the same part":        {helpers.NodeTag, prefixes("10.244.3.0/24")},
		"a node of another cluster has a larger part":        {helpers.NodeTag, prefixes("10.244.2.0/23")},
		"a node of another cluster has the network":          {helpers.NodeTag, prefixes("10.244.0.0/16")},
		"a router that is no node has the same part":         {"", prefixes("10.244.3.0/24")},
		"a router that is no node has an address of it":      {"", prefixes("10.244.3.7/32")},
		"a router that is no node has a part of the network": {"", prefixes("10.244.0.0/20")},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := routedBench(t)
			other := b.Control.Add("other", func(d *tailnetsim.Device) {
				d.Enabled = world.enabled
				if world.tag != "" {
					d.Tags = []string{world.tag}
				}
			})
			own := b.machine(t, "worker")
			b.untilProvisioned(t, own)
			g.Expect(b.Control.Advertise(own.Status.Tailnet.DeviceID, prefixes("10.244.3.0/24")...)).To(Succeed())
			b.untilCondition(t, own, "TailnetReady False PodRouteRefused")
			g.Expect(b.enabled(own.Status.Tailnet.DeviceID)).To(BeEmpty())
			g.Expect(b.enabled(other.ID)).To(ConsistOf(world.enabled))
		})
	}
}
