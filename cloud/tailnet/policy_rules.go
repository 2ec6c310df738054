// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// tailnetRange is what devices have their IPv4 addresses of (tailscale.com/kb/1304/ip-pool).
var tailnetRange = netip.MustParsePrefix("100.64.0.0/10")

// widest is the length of prefixes that may hold all devices: a part of the range that a server may
// give to its devices, and no single one's address.
const widest = 16

// place is what a rule's selector is compared with: machines with all of these tags, or an address
// behind one of them.
type place struct {
	tags  []string
	route netip.Prefix
}

// port is one of a protocol's.
type port struct {
	proto  string
	number int
}

// opens tells whether any rule may let the source reach the port of the destination. What cannot be
// told from the policy alone counts as open: an IP set, a device posture, an alias of addresses.
func (p policyFile) opens(from, to place, at port) bool {
	if p.allowsEverything() {
		return true
	}
	for _, rule := range p.ACLs {
		if !strings.EqualFold(rule.Action, "accept") || !protoOf(rule.Proto, at.proto) {
			continue
		}
		if p.anySelects(append(slices.Clone(rule.Src), rule.Users...), from) &&
			slices.ContainsFunc(append(slices.Clone(rule.Dst), rule.Ports...), func(dst string) bool {
				colon := strings.LastIndexByte(dst, ':')
				return colon > 0 && p.selects(dst[:colon], to) && portsHave(dst[colon+1:], at.number)
			}) {
			return true
		}
	}
	return slices.ContainsFunc(p.Grants, func(rule grantRule) bool {
		return p.anySelects(rule.Src, from) && p.anySelects(rule.Dst, to) && slices.ContainsFunc(rule.IP, func(ip string) bool {
			proto, ports, found := strings.Cut(ip, ":")
			if !found {
				proto, ports = "", ip
			}
			return protoOf(proto, at.proto) && portsHave(ports, at.number)
		})
	})
}

func (p policyFile) anySelects(selectors []string, at place) bool {
	return slices.ContainsFunc(selectors, func(selector string) bool { return p.selects(selector, at) })
}

// selects tells whether the selector may stand for the place. Tagged devices are nobody's, so that
// no user or group does; a tag does not stand for the routes of its devices.
func (p policyFile) selects(selector string, at place) bool {
	if alias, known := p.Hosts[selector]; known {
		selector = alias
	}
	switch {
	case selector == "*", selector == "autogroup:danger-all", strings.HasPrefix(selector, "ipset:"):
		return true
	case at.route.IsValid():
		found, err := prefixOf(selector)
		return err == nil && found.Overlaps(at.route)
	case selector == "autogroup:tagged", slices.Contains(at.tags, selector):
		return true
	}
	found, err := prefixOf(selector)
	return err == nil && found.Bits() <= widest && found.Overlaps(tailnetRange)
}

// prefixOf reads a network, or an address as a network of one.
func prefixOf(text string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix, nil
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(address, address.BitLen()), nil
}

// protoOf tells whether a rule's protocol has the wanted one. None stands for all three usual ones.
func protoOf(rule, want string) bool {
	switch strings.ToLower(rule) {
	case "", "*", want:
		return true
	case "6":
		return want == "tcp"
	case "17":
		return want == "udp"
	}
	return false
}

// portsHave reads lists such as 80,443,8000-8999.
func portsHave(list string, want int) bool {
	if list == "*" {
		return true
	}
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		low, err := strconv.Atoi(first)
		if err != nil {
			continue
		}
		high, err := strconv.Atoi(last)
		if err == nil && low <= want && want <= high {
			return true
		}
	}
	return false
}

// gives tells whether devices with all of these tags get the attribute.
func (p policyFile) gives(attribute string, tags []string) bool {
	return slices.ContainsFunc(p.NodeAttrs, func(rule attrRule) bool {
		return slices.Contains(rule.Attr, attribute) && p.anySelects(rule.Target, place{tags: tags})
	})
}
