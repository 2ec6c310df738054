// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/juanfont/headscale/hscontrol/policy"
	policyv2 "github.com/juanfont/headscale/hscontrol/policy/v2"
	"github.com/juanfont/headscale/hscontrol/types"
	. "github.com/onsi/gomega"
	"go4.org/netipx"
	"gorm.io/gorm"
	"tailscale.com/tailcfg"
	"tailscale.com/types/ipproto"
	"tailscale.com/types/logger"
	"tailscale.com/wgengine/filter"
)

// device is a device of the tailnet. It belongs to its tags or, without tags, to a user.
type device struct {
	name, tag, user string
	// vip and pods are the routes advertised by a cluster's nodes, routes those of the household.
	vip, pods string
	routes    []string
}

// devices are two clusters' and a household's. mesh-control-plane-1 and edge-control-plane-1 hold
// their clusters' VIPs.
var devices = []device{
	{name: "mesh-control-plane-1", tag: "tag:mesh-control-plane", vip: "10.250.0.1/32", pods: "10.244.0.0/24"},
	{name: "mesh-control-plane-2", tag: "tag:mesh-control-plane", pods: "10.244.1.0/24"},
	{name: "mesh-node-1", tag: "tag:mesh-node", pods: "10.244.2.0/24"},
	{name: "mesh-node-2", tag: "tag:mesh-node", pods: "10.244.3.0/24"},
	{name: "edge-control-plane-1", tag: "tag:edge-control-plane", vip: "10.251.0.1/32", pods: "10.245.0.0/24"},
	{name: "edge-node-1", tag: "tag:edge-node", pods: "10.245.1.0/24"},
	{name: "management", tag: "tag:management"},
	{name: "laptop", user: "admin"},
	{name: "phone", user: "guest"},
	{name: "exit", user: "guest", routes: []string{"0.0.0.0/0", "::/0"}},
	{name: "home", tag: "tag:home", routes: []string{"192.168.1.0/24"}},
	{name: "management-2", tag: "tag:management"},
}

// end is where a connection begins or ends: a device's own or routed address.
type end struct {
	name, device string
	address      netip.Addr
}

// ends are all devices by their own addresses, and the addresses behind them.
func ends() []end {
	out := []end{
		{"mesh VIP", "mesh-control-plane-1", netip.MustParseAddr("10.250.0.1")},
		{"edge VIP", "edge-control-plane-1", netip.MustParseAddr("10.251.0.1")},
		{"mesh pod 1", "mesh-node-1", netip.MustParseAddr("10.244.2.9")},
		{"mesh pod 2", "mesh-node-2", netip.MustParseAddr("10.244.3.9")},
		{"edge pod", "edge-node-1", netip.MustParseAddr("10.245.1.9")},
		{"Internet", "exit", netip.MustParseAddr("198.51.100.1")},
		{"LAN", "home", netip.MustParseAddr("192.168.1.10")},
	}
	for i, d := range devices {
		out = append(out, end{d.name, d.name, address(i)})
	}
	return out
}

func address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{100, 64, 0, byte(i + 1)})
}

// world is a tailnet as Headscale hands it to its devices.
type world struct {
	manager *policyv2.PolicyManager
	nodes   map[string]types.NodeView
	filters map[string]*filter.Filter
}

// newWorld approves the routes accepted by approve.
func newWorld(t *testing.T, devices []device, text []byte, tailnetRoutes bool,
	approve func(*policyv2.PolicyManager, types.NodeView, netip.Prefix) bool,
) world {
	t.Helper()
	g := NewWithT(t)
	users := []types.User{{Model: gorm.Model{ID: 1}, Name: "admin"}, {Model: gorm.Model{ID: 2}, Name: "guest"}}
	var nodes types.Nodes
	for i, d := range devices {
		nodes = append(nodes, d.node(i, users, tailnetRoutes))
	}
	manager, err := policyv2.NewPolicyManager(text, users, nodes.ViewSlice())
	g.Expect(err).NotTo(HaveOccurred(), string(text))
	for _, node := range nodes {
		for _, route := range node.Hostinfo.RoutableIPs {
			if approve(manager, node.View(), route) {
				node.ApprovedRoutes = append(node.ApprovedRoutes, route)
			}
		}
	}
	_, err = manager.SetNodes(nodes.ViewSlice())
	g.Expect(err).NotTo(HaveOccurred())
	w := world{manager: manager, nodes: map[string]types.NodeView{}, filters: map[string]*filter.Filter{}}
	for _, node := range nodes {
		w.nodes[node.Hostname] = node.View()
		w.filters[node.Hostname] = filterOf(t, manager, node)
	}
	return w
}

func (d device) node(i int, users []types.User, tailnetRoutes bool) *types.Node {
	own := address(i)
	node := &types.Node{
		ID: types.NodeID(i + 1), Hostname: d.name, GivenName: d.name, IPv4: &own, Hostinfo: &tailcfg.Hostinfo{},
	}
	if d.tag != "" {
		node.Tags = []string{d.tag}
	}
	for _, user := range users {
		if user.Name == d.user {
			node.UserID, node.User = &user.ID, &user
		}
	}
	advertised := slices.Clone(d.routes)
	if d.vip != "" {
		advertised = append(advertised, d.vip)
	}
	if tailnetRoutes && d.pods != "" {
		advertised = append(advertised, d.pods)
	}
	for _, route := range advertised {
		node.Hostinfo.RoutableIPs = append(node.Hostinfo.RoutableIPs, netip.MustParsePrefix(route))
	}
	return node
}

// filterOf is the packet filter of the device's tailscaled, with the rules sent by Headscale.
func filterOf(t *testing.T, manager *policyv2.PolicyManager, node *types.Node) *filter.Filter {
	t.Helper()
	g := NewWithT(t)
	rules, err := manager.FilterForNode(node.View())
	g.Expect(err).NotTo(HaveOccurred())
	matches, err := filter.MatchesFromFilterRules(rules)
	g.Expect(err).NotTo(HaveOccurred())
	var local netipx.IPSetBuilder
	local.Add(*node.IPv4)
	for _, route := range node.ApprovedRoutes {
		local.AddPrefix(route)
	}
	localNets, err := local.IPSet()
	g.Expect(err).NotTo(HaveOccurred())
	return filter.New(matches, nil, localNets, &netipx.IPSet{}, nil, logger.Discard)
}

// open is the part of to that from reaches, as "tcp:2379-2380,6443 udp:8472 icmp".
func (w world) open(t *testing.T, from, to end) string {
	t.Helper()
	if !w.routed(t, from, to) || !w.routed(t, to, from) {
		return ""
	}
	packets := w.filters[to.device]
	// tailscaled lets a ping through where it lets anything through: runIn4 in its filter.go.
	if packets.Check(from.address, to.address, 0, ipproto.ICMPv4).IsDrop() {
		return ""
	}
	var out []string
	for _, protocol := range []ipproto.Proto{ipproto.TCP, ipproto.UDP} {
		if ports := openPorts(packets, from, to, protocol); ports != "" {
			out = append(out, strings.ToLower(protocol.String())+":"+ports)
		}
	}
	return strings.Join(append(out, "icmp"), " ")
}

func openPorts(packets *filter.Filter, from, to end, protocol ipproto.Proto) string {
	var ranges []string
	first := 0
	for port := 1; port <= 65536; port++ {
		accepted := port < 65536 && !packets.Check(from.address, to.address, uint16(port), protocol).IsDrop()
		switch {
		case accepted && first == 0:
			first = port
		case !accepted && first != 0:
			if first == port-1 {
				ranges = append(ranges, fmt.Sprint(first))
			} else {
				ranges = append(ranges, fmt.Sprintf("%d-%d", first, port-1))
			}
			first = 0
		}
	}
	return strings.Join(ranges, ",")
}

// routed is whether the device of from sends packets for to to the right device: it must have the
// device as a peer and, for an address behind it, get the route. Every device accepts routes.
func (w world) routed(t *testing.T, from, to end) bool {
	t.Helper()
	g := NewWithT(t)
	viewer, peer := w.nodes[from.device], w.nodes[to.device]
	matchers, err := w.manager.MatchersForNode(viewer)
	g.Expect(err).NotTo(HaveOccurred())
	if !viewer.CanAccess(matchers, peer) && !peer.CanAccess(matchers, viewer) {
		return false
	}
	if peer.IPv4().Get() == to.address {
		return true
	}
	routes := policy.ReduceRoutes(viewer, peer.ApprovedRoutes().AsSlice(), matchers)
	return slices.ContainsFunc(routes, func(route netip.Prefix) bool { return route.Contains(to.address) })
}

func encode(t *testing.T, policy map[string]any) []byte {
	t.Helper()
	text, err := json.Marshal(policy)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return text
}
