// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
)

const (
	bridge = "cilium_host"
	tunnel = "cilium_vxlan"
	// overhead is VXLAN's; Cilium takes it off the MTU as well.
	overhead = 50
)

// member is a node with its address on the tailnet and its pods' range.
type member struct {
	address netip.Addr
	cidr    netip.Prefix
}

// nodes finds this node and the others with an address and a pod range.
func (s settings) nodes(all []corev1.Node) (own member, peers []member, err error) {
	for _, node := range all {
		m, ok := memberOf(node)
		switch {
		case node.Name == s.node && !ok:
			return own, nil, fmt.Errorf("node %s has no address or no podCIDR yet", node.Name)
		case node.Name == s.node:
			own = m
		case ok:
			peers = append(peers, m)
		}
	}
	if !own.address.IsValid() {
		return own, nil, fmt.Errorf("there is no node %s yet", s.node)
	}
	return own, peers, nil
}

func memberOf(node corev1.Node) (member, bool) {
	cidr, err := netip.ParsePrefix(node.Spec.PodCIDR)
	if err != nil {
		return member{}, false
	}
	for _, a := range node.Status.Addresses {
		if address, err := netip.ParseAddr(a.Address); a.Type == corev1.NodeInternalIP && err == nil {
			return member{address, cidr}, true
		}
	}
	return member{}, false
}

// routes are the commands for reaching other nodes' pods. With native routing there is nothing to
// do: the tailnet's routes are in tailscaled's table. made is set if the tunnel's interface exists.
func (s settings) routes(own member, peers []member, made bool) []string {
	if s.native {
		return nil
	}
	var lines []string
	if !made {
		lines = append(lines, fmt.Sprintf("ip link add %s address %s type vxlan id 42 dstport 8472 local %s dev tailscale0 nolearning",
			tunnel, hardware(own), own.address))
	}
	lines = append(lines,
		fmt.Sprintf("ip link set %s mtu %d up", tunnel, s.mtu-overhead),
		fmt.Sprintf("ip addr replace %s/32 dev %s", own.cidr.Addr(), tunnel))
	for _, p := range peers {
		lines = append(lines,
			fmt.Sprintf("ip neigh replace %s lladdr %s dev %s nud permanent", p.cidr.Addr(), hardware(p), tunnel),
			fmt.Sprintf("bridge fdb replace %s dev %s dst %s", hardware(p), tunnel, p.address),
			fmt.Sprintf("ip route replace %s via %s dev %s onlink", p.cidr, p.cidr.Addr(), tunnel))
	}
	return lines
}

// hardware is the tunnel's hardware address on a node.
func hardware(m member) string {
	a := m.address.As4()
	return fmt.Sprintf("0a:58:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3])
}

// conflist is the container runtime's network configuration.
func (s settings) conflist(cidr netip.Prefix) string {
	mtu := s.mtu
	if !s.native {
		mtu -= overhead
	}
	text, err := json.Marshal(map[string]any{"cniVersion": "1.0.0", "name": "lab", "plugins": []any{map[string]any{
		"type": "bridge", "bridge": bridge, "isGateway": true, "hairpinMode": true, "mtu": mtu,
		"ipam": map[string]any{"type": "host-local", "ranges": []any{[]any{map[string]any{"subnet": cidr.String()}}},
			"routes": []any{map[string]any{"dst": "0.0.0.0/0"}}},
	}}})
	if err != nil {
		panic("strings and numbers can be marshalled: " + err.Error())
	}
	return string(text) + "\n"
}
