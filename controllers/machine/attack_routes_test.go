// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"

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
	node := b.Intruder(t, "node-of-green", helpers.NodeTag)
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
	green := b.Intruder(t, "node-of-green", helpers.NodeTag)
	NewWithT(t).Expect(b.Control.Change(green.ID, func(d *tailnetsim.Device) {
		d.Advertised, d.Enabled = prefixes("10.244.9.0/24"), prefixes("10.244.9.0/24")
	})).To(Succeed())
	green, _ = b.Device(green.ID)
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
		now, exists := b.Device(before.ID)
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
		"a connector that is no node has the network":        {"", prefixes("10.244.0.0/16")},
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

// The longest prefix wins: a part of a network that has a router of its own would be taken from it.
func TestT1TakesNoPartOfSomebodysNetwork(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		pods, advertised, router string
		size                     int32
		podRanges                []string
		approved                 bool
	}{
		"half of a home":                   {pods: "192.168.1.0/24", advertised: "192.168.1.0/25", size: 25, router: "192.168.1.0/24"},
		"half of a home, from a part":      {pods: "192.168.1.0/25", advertised: "192.168.1.0/26", size: 26, router: "192.168.1.0/24"},
		"a part of an office":              {pods: "10.20.128.0/17", advertised: "10.20.128.0/24", size: 24, router: "10.20.0.0/16"},
		"a part that the Tailnet gives":    {pods: "10.20.128.0/17", advertised: "10.20.128.0/24", size: 24, router: "10.20.0.0/16", podRanges: []string{"10.20.128.0/17"}, approved: true},
		"what the Tailnet does not give":   {pods: "10.244.0.0/16", advertised: "10.244.3.0/24", size: 24, router: "192.168.1.0/24", podRanges: []string{"10.0.0.0/14"}},
		"what an office has for all of 10": {pods: "10.20.0.0/16", advertised: "10.20.3.0/24", size: 24, router: "10.0.0.0/8", approved: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t, helpers.WorldOptions{})
			b.cluster, b.infra = b.newCluster(t, "routes", func(infra *infrav1.OCIMeshCluster) {
				infra.Spec.PodNetwork.Mode, infra.Spec.PodNetwork.NodeCIDRMaskSize = infrav1.PodNetworkTailnetRoutes, world.size
			})
			helpers.Update(t, b.Environment, b.cluster, func(c *clusterv1.Cluster) { c.Spec.ClusterNetwork.Pods.CIDRBlocks = []string{world.pods} })
			if world.podRanges != nil {
				helpers.Update(t, b.Environment, b.Tailnet, func(tn *infrav1.Tailnet) { tn.Spec.PodRanges = world.podRanges })
			}
			router := b.Control.Add("router", func(d *tailnetsim.Device) { d.Enabled = prefixes(world.router) })
			own := b.machine(t, "worker")
			b.untilProvisioned(t, own)
			g.Expect(b.Control.Advertise(own.Status.Tailnet.DeviceID, prefixes(world.advertised)...)).To(Succeed())
			if world.approved {
				b.until(t, own, func(g Gomega) {
					g.Expect(b.enabled(own.Status.Tailnet.DeviceID)).To(ConsistOf(prefixes(world.advertised)), "%v", own.Status.Conditions)
				})
				return
			}
			b.untilCondition(t, own, "TailnetReady False PodRouteRefused")
			b.settle(t, own, 5)
			g.Expect(b.enabled(own.Status.Tailnet.DeviceID)).To(BeEmpty())
			g.Expect(b.enabled(router.ID)).To(ConsistOf(prefixes(world.router)))
		})
	}
}

// Whoever changes a Cluster's pod network once it has machines gets no routes to the new one, which
// was compared with nobody's.
func TestT1ChangesThePodNetworkOfALivingClusterInVain(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := routedBench(t)
	b.infra.Status.Ranges.Pods = []string{"10.244.0.0/16"}
	g.Expect(b.Client.Status().Update(t.Context(), b.infra)).To(Succeed())
	helpers.Update(t, b.Environment, b.cluster, func(c *clusterv1.Cluster) { c.Spec.ClusterNetwork.Pods.CIDRBlocks = []string{"10.99.0.0/16"} })
	own := b.machine(t, "worker")
	b.untilProvisioned(t, own)
	g.Expect(b.Control.Advertise(own.Status.Tailnet.DeviceID, prefixes("10.99.3.0/24")...)).To(Succeed())
	b.settle(t, own, 10)
	g.Expect(b.enabled(own.Status.Tailnet.DeviceID)).To(BeEmpty())
}

// The message tells apart whose the route is, since what to do depends on that.
func TestARefusedRouteSaysWhoseTheOtherIs(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]struct {
		device func(*bench) string
		says   []string
	}{
		"a node of another cluster": {func(b *bench) string {
			own, infra := b.cluster, b.infra
			defer func() { b.cluster, b.infra = own, infra }()
			b.cluster, b.infra = b.newCluster(t, "green")
			green := b.machine(t, "green-worker")
			b.untilProvisioned(t, green)
			return green.Status.Tailnet.DeviceID
		}, []string{"/green", "one of the two clusters"}},
		"a left-over device": {func(b *bench) string { return b.Intruder(t, "left-over", helpers.NodeTag).ID },
			[]string{"no machine that this manager knows", "delete the device if it is left over"}},
		"somebody's router": {func(b *bench) string { return b.Control.Add("router", func(*tailnetsim.Device) {}).ID },
			[]string{"which is no node", "take the approval from that route"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			b := routedBench(t)
			own := b.machine(t, "worker")
			b.untilProvisioned(t, own)
			route := prefixes("10.244.3.0/24")
			g.Expect(b.Control.Change(world.device(b), func(d *tailnetsim.Device) { d.Enabled = route })).To(Succeed())
			g.Expect(b.Control.Advertise(own.Status.Tailnet.DeviceID, route...)).To(Succeed())
			b.untilCondition(t, own, "TailnetReady False PodRouteRefused")
			for _, part := range world.says {
				g.Expect(conditions.GetMessage(own, infrav1.TailnetReadyCondition)).To(ContainSubstring(part))
			}
			g.Expect(b.enabled(own.Status.Tailnet.DeviceID)).To(BeEmpty())
		})
	}
}
