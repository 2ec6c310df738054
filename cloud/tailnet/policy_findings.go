// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// PolicyNeeds is what a tailnet's policy is compared with.
type PolicyNeeds struct {
	NodeTags, ControlPlaneTags []string
	// VIPRange has the API servers' addresses; the zero value stands for none.
	VIPRange netip.Prefix
	// PodRanges are those of clusters whose pods the tailnet has routes to.
	PodRanges []netip.Prefix
	// Approves is set if the policy is to approve the routes of VIPs and pods.
	Approves bool
	// VXLAN is set if nodes carry the pods' traffic by VXLAN.
	VXLAN bool

	headscale, nodeAttrs bool
}

// PolicyFindings is what a policy lacks, and what it gives to others.
type PolicyFindings struct {
	// Missing are the additions, each as it is pasted, the gravest first; empty if nothing is.
	Missing []string
	// Foreign are autoApprovers by which devices that must not have them get routes of VIPs or pods
	// approved, each as it stands there, without those that may.
	Foreign []string
	// Nobody is set if no rule lets machines of one of the two kinds reach any other.
	Nobody bool
}

// cacheAttribute lets nodes start while the control server is away: they keep what it last told
// (NodeAttrCacheNetworkMaps in Tailscale's tailcfg).
const cacheAttribute = "cache-network-maps"

// flow is traffic between nodes: docs/policies/README.md says what for.
type flow struct {
	proto string
	ports []int
	// text are the ports of a rule.
	text     string
	from, to []place
}

func (n PolicyNeeds) flows() []flow {
	nodes, controlPlanes := place{tags: n.NodeTags}, place{tags: n.ControlPlaneTags}
	all := []place{controlPlanes, nodes}
	flows := []flow{
		{"tcp", []int{6443}, "6443", all, []place{controlPlanes}},
		{"tcp", []int{2379, 2380}, "2379-2380", []place{controlPlanes}, []place{controlPlanes}},
		{"tcp", []int{10250}, "10250", all, all},
		{"tcp", []int{4240}, "4240", all, all},
	}
	if n.VXLAN {
		flows = append(flows, flow{"udp", []int{8472}, "8472", all, all})
	}
	if n.VIPRange.IsValid() {
		flows = slices.Insert(flows, 0, flow{"tcp", []int{6443}, "6443", all, []place{{route: n.VIPRange}}})
	}
	return flows
}

func (p policyFile) compare(n PolicyNeeds) PolicyFindings {
	var out PolicyFindings
	reaches := map[string]bool{}
	var closed []flow
	for _, f := range n.flows() {
		open := true
		for _, from := range f.from {
			for _, to := range f.to {
				is := p.hasOpen(f, from, to)
				open = open && is
				if is {
					reaches[strings.Join(from.tags, " ")] = true
				}
			}
		}
		if !open {
			closed = append(closed, f)
		}
	}
	out.Nobody = len(reaches) < 2
	out.add("tagOwners", p.missingOwners(n))
	out.add(p.missingRules(n, closed))
	if n.Approves {
		out.add("autoApprovers.routes", p.missingApprovers(n))
	}
	out.Foreign = p.foreignApprovers(n)
	if n.nodeAttrs && (!p.gives(cacheAttribute, n.NodeTags) || !p.gives(cacheAttribute, n.ControlPlaneTags)) {
		out.add("nodeAttrs", []string{fmt.Sprintf(`{"target": %s, "attr": [%q]}`, listed(n.tags()), cacheAttribute)})
	}
	return out
}

func (f *PolicyFindings) add(section string, entries []string) {
	if len(entries) > 0 {
		f.Missing = append(f.Missing, section+": "+strings.Join(entries, ", "))
	}
}

// tags are all, control planes' first, as in docs/policies.
func (n PolicyNeeds) tags() []string { return slices.Concat(n.ControlPlaneTags, n.NodeTags) }

func (p policyFile) hasOpen(f flow, from, to place) bool {
	return !slices.ContainsFunc(f.ports, func(number int) bool { return !p.opens(from, to, port{f.proto, number}) })
}

// ownerFor is the owner to propose for a tag: what owns the other tags of nodes, a tag first, as
// the OAuth client's is in docs/policies; else those files' own. No other group is proposed: who
// owns the control planes' tag can become the API server.
func (p policyFile) ownerFor(n PolicyNeeds) string {
	var owners []string
	for _, tag := range n.tags() {
		owners = append(owners, p.TagOwners[tag]...)
	}
	owners = slices.DeleteFunc(owners, func(owner string) bool { return slices.Contains(n.tags(), owner) })
	isTag := func(owner string) bool { return strings.HasPrefix(owner, "tag:") }
	switch i := slices.IndexFunc(owners, isTag); {
	case i >= 0:
		return owners[i]
	case len(owners) > 0:
		return owners[0]
	case n.headscale:
		return "group:capom-admins"
	}
	return "autogroup:admin"
}

// missingOwners are entries for tags without one. Headscale gives a key for such a tag all the
// same, and no rule can name it.
func (p policyFile) missingOwners(n PolicyNeeds) []string {
	owner := p.ownerFor(n)
	var out []string
	for _, tag := range n.tags() {
		if _, known := p.TagOwners[tag]; !known {
			out = append(out, fmt.Sprintf("%q: %s", tag, listed([]string{owner})))
		}
	}
	return out
}

// missingRules are rules for the flows that are closed to any of their sources: grants, unless the
// policy has acls only or the server is too old for grants.
func (p policyFile) missingRules(n PolicyNeeds, closed []flow) (section string, rules []string) {
	type ends struct{ from, to string }
	grants := p.Grants != nil || p.ACLs == nil && n.nodeAttrs
	var order []ends
	ports := map[ends][]string{}
	for _, f := range closed {
		e := ends{listed(selectors(f.from)), listed(selectors(f.to))}
		if _, known := ports[e]; !known {
			order = append(order, e)
		}
		ports[e] = append(ports[e], f.proto+":"+f.text)
		if !grants {
			rules = append(rules, fmt.Sprintf(`{"action": "accept", "proto": %q, "src": %s, "dst": %s}`,
				f.proto, e.from, listed(suffixed(selectors(f.to), ":"+f.text))))
		}
	}
	if !grants {
		return "acls", rules
	}
	for _, e := range order {
		rules = append(rules, fmt.Sprintf(`{"src": %s, "dst": %s, "ip": %s}`, e.from, e.to, listed(ports[e])))
	}
	return "grants", rules
}

func selectors(places []place) []string {
	var out []string
	for _, at := range places {
		if at.route.IsValid() {
			out = append(out, at.route.String())
		}
		out = append(out, at.tags...)
	}
	return out
}

func suffixed(texts []string, suffix string) []string {
	out := make([]string, 0, len(texts))
	for _, text := range texts {
		out = append(out, text+suffix)
	}
	return out
}

// listed is a JSON list, with spaces as people write it.
func listed(texts []string) string {
	quoted := make([]string, 0, len(texts))
	for _, text := range texts {
		raw, _ := json.Marshal(text)
		quoted = append(quoted, string(raw))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
