// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
)

// ownRange is a range of ours, and the sets of tags of the devices that have routes of it. Each
// device has all tags of one set.
type ownRange struct {
	prefix netip.Prefix
	of     [][]string
}

// ownRanges are the VIPs', which only control planes may have, and the pods'.
func (n PolicyNeeds) ownRanges() []ownRange {
	var out []ownRange
	if n.VIPRange.IsValid() {
		out = append(out, ownRange{n.VIPRange, [][]string{n.ControlPlaneTags}})
	}
	for _, pods := range n.PodRanges {
		out = append(out, ownRange{pods, [][]string{n.ControlPlaneTags, n.NodeTags}})
	}
	return out
}

// missingApprovers are entries for ranges that the policy does not approve for all of their
// devices.
func (p policyFile) missingApprovers(n PolicyNeeds) []string {
	var out []string
	for _, own := range n.ownRanges() {
		if slices.ContainsFunc(own.of, func(tags []string) bool { return !p.approves(own.prefix, tags) }) {
			out = append(out, fmt.Sprintf("%q: %s", own.prefix, listed(slices.Concat(own.of...))))
		}
	}
	return out
}

// foreignApprovers are the entries that let others have addresses of ours. One for a wider network
// is for all within it: the server approves each part that a device advertises.
func (p policyFile) foreignApprovers(n PolicyNeeds) []string {
	var out []string
	for _, text := range slices.Sorted(maps.Keys(p.AutoApprovers.Routes)) {
		prefix, err := prefixOf(text)
		if err != nil {
			continue
		}
		var others []string
		for _, own := range n.ownRanges() {
			for _, approver := range p.AutoApprovers.Routes[text] {
				if prefix.Overlaps(own.prefix) && !slices.Contains(slices.Concat(own.of...), approver) && !slices.Contains(others, approver) {
					others = append(others, approver)
				}
			}
		}
		if len(others) > 0 {
			out = append(out, fmt.Sprintf("%q: %s", text, listed(others)))
		}
	}
	return out
}

// approves tells whether routes within the range become approved for devices with all of these
// tags.
func (p policyFile) approves(within netip.Prefix, tags []string) bool {
	for text, approvers := range p.AutoApprovers.Routes {
		prefix, err := prefixOf(text)
		if err == nil && prefix.Bits() <= within.Bits() && prefix.Overlaps(within) && p.anySelects(approvers, place{tags: tags}) {
			return true
		}
	}
	return false
}
