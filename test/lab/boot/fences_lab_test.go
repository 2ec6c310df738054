// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package boot_test

import (
	"testing"

	. "github.com/onsi/gomega"
)

// routersAreFencedOff is about the exit node, the office, the home and the connector of the lab's
// tailnet, which offer routes to the node's VCN, its pods and its Services.
func routersAreFencedOff(_ *testing.T, a, z *node) {
	b := a.bench
	const gateway, neighbour = "10.0.0.1", "10.0.99.9"
	for _, route := range []string{"10.0.0.0/8", "10.244.0.0/16", "192.168.1.0/24"} {
		b.Eventually(a.ask("ip route show table 52"), soon).Should(ContainSubstring(route + " dev tailscale0"))
	}
	kept := map[string]string{
		gateway: "ens3", neighbour: "ens3", "10.96.0.1": "ens3", "169.254.169.254": "ens3", "10.244.200.1": "ens3", "198.51.100.1": "ens3",
		a.pod: "lxc1", z.pod: "cilium_vxlan",
		"10.9.9.9": "tailscale0", "192.168.1.9": "tailscale0", z.tailnet: "tailscale0",
	}
	for address, device := range kept {
		b.Expect(a.sh("ip route get "+address)).To(ContainSubstring(" dev "+device+" "), address)
	}
	b.Expect(a.try("ping -c 1 -W 2 "+gateway)).To(BeTrue(), "the VCN's router")
	b.Expect(a.try("ping -c 1 -W 2 "+a.pod)).To(BeTrue(), "a pod of the node")
	b.Eventually(a.ask("ping -c 1 -W 2 -I "+a.gateway+" "+z.gateway), soon).Should(ContainSubstring(" 0% packet loss"), "pods of another node")

	a.without("for pref in 5201 5203; do while ip rule del pref $pref 2>/dev/null; do :; done; done", func() {
		for _, address := range []string{gateway, neighbour, a.pod, z.pod} {
			b.Expect(a.sh("ip route get "+address)).To(ContainSubstring(" dev tailscale0 "), "control: "+address)
		}
	})

	for address, device := range kept {
		b.Eventually(a.ask("ip route get "+address), soon).Should(ContainSubstring(" dev "+device+" "), "after the guard is back: "+address)
	}
}
