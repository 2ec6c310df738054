// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"net/netip"
	"reflect"
	"runtime/debug"
	"slices"
	"testing"

	policyv2 "github.com/juanfont/headscale/hscontrol/policy/v2"
	"github.com/juanfont/headscale/hscontrol/types"
	. "github.com/onsi/gomega"
)

// opening is the part of each of to that each of from reaches.
type opening struct {
	from, to []string
	open     string
}

const everything = "tcp:1-65535 udp:1-65535 icmp"

var (
	meshControlPlanes = []string{"mesh-control-plane-1", "mesh-control-plane-2"}
	meshNodes         = []string{"mesh-node-1", "mesh-node-2"}
	meshPods          = []string{"mesh pod 1", "mesh pod 2"}
	mesh              = slices.Concat(meshControlPlanes, meshNodes)
	edgeAll           = []string{"edge-control-plane-1", "edge-node-1"}
	management        = []string{"management", "management-2"}
	people            = []string{"laptop", "phone", "exit"}
)

// openings is everything to be open; the rest must be closed.
var openings = []opening{
	{meshControlPlanes, meshControlPlanes, "tcp:2379-2380,4240,4244,6443,9962-9965,10250 udp:8472 icmp"},
	{meshNodes, meshControlPlanes, "tcp:4240,4244,6443,9962-9965,10250 udp:8472 icmp"},
	{mesh, meshNodes, "tcp:4240,4244,9962-9965,10250 udp:8472 icmp"},
	{slices.Concat(mesh, management, []string{"laptop"}), []string{"mesh VIP"}, "tcp:6443 icmp"},

	{[]string{"edge-node-1"}, []string{"edge-control-plane-1"}, "tcp:4240,4244,6443,9962-9965,10250 udp:8472 icmp"},
	{[]string{"edge-control-plane-1"}, []string{"edge-node-1"}, "tcp:4240,4244,9962-9965,10250 udp:8472 icmp"},
	{slices.Concat(edgeAll, management, []string{"laptop"}), []string{"edge VIP"}, "tcp:6443 icmp"},

	// The household, as a rule that allows everything left it.
	{people, slices.Concat(people, []string{"Internet", "LAN"}), everything},
	{slices.Concat(management, []string{"laptop"}), management, everything},
}

// podOpenings come on top with podNetwork mode TailnetRoutes.
var podOpenings = []opening{
	{slices.Concat(mesh, meshPods), meshPods, everything},
	{meshPods, meshControlPlanes, "tcp:4244,6443,9962-9965,10250 icmp"},
	{meshPods, meshNodes, "tcp:4244,9962-9965,10250 icmp"},
	{meshPods, []string{"mesh VIP"}, "tcp:6443 icmp"},

	{edgeAll, []string{"edge pod"}, everything},
	{[]string{"edge pod"}, []string{"edge-control-plane-1"}, "tcp:4244,6443,9962-9965,10250 icmp"},
	{[]string{"edge pod"}, []string{"edge VIP"}, "tcp:6443 icmp"},
}

func TestOnlyWhatOneClusterNeedsIsOpen(t *testing.T) {
	for _, f := range files {
		for _, tailnetRoutes := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s tailnetRoutes=%t", f.name, tailnetRoutes), func(t *testing.T) {
				f.needsItsRules(t)
				w := newWorld(t, devices, encode(t, f.tailnet(t, tailnetRoutes)), tailnetRoutes, f.approver())
				NewWithT(t).Expect(differences(t, w, tailnetRoutes)).To(BeEmpty())
			})
		}
	}
}

// The policy of a new Tailscale tailnet has such a rule, and so has a Headscale without a policy.
func TestARuleThatAllowsEverythingOpensClustersToEachOther(t *testing.T) {
	rules := map[bool]string{
		true:  `{"grants": [{"src": ["*"], "dst": ["*"], "ip": ["*"]}]}`,
		false: `{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}`,
	}
	for _, f := range files {
		t.Run(f.name, func(t *testing.T) {
			f.needsItsRules(t)
			policy := f.tailnet(t, false)
			merge(policy, parse(t, rules[f.grants]))
			w := newWorld(t, devices, encode(t, policy), false, f.approver())
			NewWithT(t).Expect(differences(t, w, false)).To(
				ContainElement("mesh-node-1 to edge-node-1: is open " + everything + ", is to be open "))
		})
	}
}

// The cluster's addresses are in an office's 10.0.0.0/8.
func TestARuleForAWideNetworkOpensTheClustersInIt(t *testing.T) {
	rules := map[bool]string{
		true:  `{"grants": [{"src": ["autogroup:member"], "dst": ["10.0.0.0/8"], "ip": ["*"]}]}`,
		false: `{"acls": [{"action": "accept", "src": ["autogroup:member"], "dst": ["10.0.0.0/8:*"]}]}`,
	}
	for _, f := range files {
		t.Run(f.name, func(t *testing.T) {
			f.needsItsRules(t)
			policy := f.tailnet(t, true)
			merge(policy, parse(t, rules[f.grants]))
			w := newWorld(t, devices, encode(t, policy), true, f.approver())
			NewWithT(t).Expect(differences(t, w, true)).To(ContainElements(
				"phone to mesh VIP: is open "+everything+", is to be open ",
				"phone to mesh pod 1: is open "+everything+", is to be open "))
		})
	}
}

func TestClustersWithTheSameTagsAreOpenToEachOther(t *testing.T) {
	for _, f := range files {
		t.Run(f.name, func(t *testing.T) {
			f.needsItsRules(t)
			careless := slices.Clone(devices)
			edgeNode := slices.IndexFunc(careless, func(d device) bool { return d.name == "edge-node-1" })
			careless[edgeNode].tag = "tag:mesh-node"
			w := newWorld(t, careless, encode(t, f.tailnet(t, false)), false, f.approver())
			NewWithT(t).Expect(differences(t, w, false)).To(ContainElement(
				"mesh-node-1 to edge-node-1: is open tcp:4240,4244,9962-9965,10250 udp:8472 icmp, is to be open "))
		})
	}
}

func TestWhichRoutesThePolicyApproves(t *testing.T) {
	cases := []struct {
		device, route string
		// vxlan and routes say whether a policy for routeApproval Policy approves the route in each
		// mode.
		vxlan, routes bool
	}{
		{"mesh-control-plane-1", "10.250.0.1/32", true, true},
		{"mesh-control-plane-2", "10.250.0.1/32", true, true},
		{"mesh-control-plane-1", "10.251.0.1/32", false, false},
		{"mesh-control-plane-1", "10.244.0.0/24", false, true},
		{"mesh-node-1", "10.250.0.1/32", false, false},
		{"mesh-node-1", "10.244.2.0/24", false, true},
		{"mesh-node-1", "10.245.1.0/24", false, false},
		{"mesh-node-1", "10.0.0.0/8", false, false},
		{"mesh-node-1", "0.0.0.0/0", false, false},
		{"edge-control-plane-1", "10.250.0.1/32", false, false},
		{"edge-control-plane-1", "10.251.0.1/32", true, true},
		{"management", "10.250.0.1/32", false, false},
		{"laptop", "10.250.0.1/32", false, false},
		{"phone", "10.250.0.1/32", false, false},
		{"home", "10.244.2.0/24", false, false},
	}
	for _, f := range files {
		for _, tailnetRoutes := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s tailnetRoutes=%t", f.name, tailnetRoutes), func(t *testing.T) {
				f.needsItsRules(t)
				w := newWorld(t, devices, encode(t, f.tailnet(t, tailnetRoutes)), tailnetRoutes, f.approver())
				for _, c := range cases {
					want := f.approves && (tailnetRoutes && c.routes || !tailnetRoutes && c.vxlan)
					got := w.manager.NodeCanApproveRoute(w.nodes[c.device], netip.MustParsePrefix(c.route))
					NewWithT(t).Expect(got).To(Equal(want), "%s on %s", c.route, c.device)
				}
			})
		}
	}
}

// A device may ask for tags, and so may root on a node.
func TestNobodyButAnAdministratorMakesADeviceANode(t *testing.T) {
	for _, f := range files {
		t.Run(f.name, func(t *testing.T) {
			f.needsItsRules(t)
			w := newWorld(t, devices, encode(t, f.tailnet(t, false)), false, f.approver())
			for name, node := range w.nodes {
				for _, tag := range []string{"tag:mesh-control-plane", "tag:mesh-node", "tag:capom", "tag:management"} {
					NewWithT(t).Expect(w.manager.NodeCanHaveTag(node, tag)).To(Equal(name == "laptop"), "%s on %s", tag, name)
				}
			}
		})
	}
}

// needsItsRules skips a policy with grants where Headscale, before 0.29, has none.
func (f file) needsItsRules(t *testing.T) {
	t.Helper()
	if _, ok := reflect.TypeFor[policyv2.Policy]().FieldByName("Grants"); !f.grants || ok {
		return
	}
	NewWithT(t).Expect(headscaleVersion(t)).To(HavePrefix("v0.28."), "since 0.29 there are grants")
	t.Skip("does not apply: Headscale 0.28 has no grants")
}

// headscaleVersion is that of the module that this test is built with.
func headscaleVersion(t *testing.T) string {
	t.Helper()
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/juanfont/headscale" {
			return module.Version
		}
	}
	t.Fatal("the build does not name Headscale's module")
	return ""
}

// approver approves the household's routes as its administrator does, and a cluster's as the
// provider does: all routes in this world are legitimate. Without the provider the policy must
// approve them.
func (f file) approver() func(*policyv2.PolicyManager, types.NodeView, netip.Prefix) bool {
	return func(manager *policyv2.PolicyManager, node types.NodeView, route netip.Prefix) bool {
		household := node.Hostname() == "exit" || node.Hostname() == "home"
		return household || !f.approves || manager.NodeCanApproveRoute(node, route)
	}
}

// differences are the pairs of ends with more or less open than expected.
func differences(t *testing.T, w world, tailnetRoutes bool) []string {
	t.Helper()
	wanted := map[[2]string]string{}
	all := openings
	if tailnetRoutes {
		all = slices.Concat(openings, podOpenings)
	}
	for _, o := range all {
		for _, from := range o.from {
			for _, to := range o.to {
				wanted[[2]string{from, to}] = o.open
			}
		}
	}
	var out []string
	for _, from := range ends() {
		for _, to := range ends() {
			want := wanted[[2]string{from.name, to.name}]
			// A device's traffic to itself does not pass the tailnet.
			if from.device == to.device {
				continue
			}
			if got := w.open(t, from, to); got != want {
				out = append(out, fmt.Sprintf("%s to %s: is open %s, is to be open %s", from.name, to.name, got, want))
			}
		}
	}
	return out
}

// A node that starts while the coordination server is away has no address without it.
func TestNodesKeepTheirNetworkMapWhereThePolicyCanSaySo(t *testing.T) {
	for _, f := range files {
		for _, tag := range []string{"tag:mesh-control-plane", "tag:mesh-node"} {
			attributes, _ := parse(t, f.text(t, false))["nodeAttrs"].([]any)
			found := slices.ContainsFunc(attributes, func(rule any) bool {
				grant, _ := rule.(map[string]any)
				targets, _ := grant["target"].([]any)
				names, _ := grant["attr"].([]any)
				return slices.Contains(targets, any(tag)) && slices.Contains(names, any("cache-network-maps"))
			})
			NewWithT(t).Expect(found).To(Equal(f.grants), "%s: %s", f.name, tag)
		}
	}
}
