// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
)

func TestRouterRulesTranslateBothWays(t *testing.T) {
	g := NewWithT(t)
	public := map[netip.Addr]netip.Addr{
		netip.MustParseAddr("198.18.0.9"): netip.MustParseAddr("10.0.1.9"),
		netip.MustParseAddr("198.18.0.7"): netip.MustParseAddr("10.0.0.7"),
	}

	rules := routerRules(public)

	g.Expect(rules).To(Equal(`table inet lab
delete table inet lab
table inet lab {
 chain prerouting { type nat hook prerouting priority dstnat;
  iifname "up0" ip daddr 198.18.0.7 dnat ip to 10.0.0.7
  iifname "up0" ip daddr 198.18.0.9 dnat ip to 10.0.1.9
 }
 chain postrouting { type nat hook postrouting priority srcnat;
  oifname "up0" ip saddr 10.0.0.7 snat ip to 198.18.0.7
  oifname "up0" ip saddr 10.0.1.9 snat ip to 198.18.0.9
  oifname "up0" masquerade
 }
 chain forward { type filter hook forward priority filter; policy drop;
  ct state invalid drop
  iifname "vcn" accept
  iifname "up0" ct state established,related accept
  iifname "up0" ct status dnat accept
 }
}
`))
}

func TestBlockRulesAreATableForEachServer(t *testing.T) {
	g := NewWithT(t)
	server := netip.MustParseAddrPort("198.51.100.2:443")

	g.Expect(blockRules("tcp", server, true)).To(Equal(`table ip lab_block_tcp_198_51_100_2_443
delete table ip lab_block_tcp_198_51_100_2_443
table ip lab_block_tcp_198_51_100_2_443 {
 chain input { type filter hook input priority -300;
  iifname "eth0" ip daddr 198.51.100.2 tcp dport 443 drop
 }
}
`))
	g.Expect(blockRules("tcp", server, false)).To(Equal(`table ip lab_block_tcp_198_51_100_2_443
delete table ip lab_block_tcp_198_51_100_2_443
`))
}

func TestMachineAddressesAreWhatDHCPGives(t *testing.T) {
	g := NewWithT(t)
	m := &Machine{config: MachineConfig{PrivateIP: netip.MustParseAddr("10.0.5.20"), Subnet: netip.MustParsePrefix("10.0.4.0/22")}}

	g.Expect(m.addresses()).To(Equal([]string{
		"addr replace 10.0.5.20/22 dev ens3",
		"link set ens3 mtu 1500 up",
		"route replace default via 10.0.4.1 dev ens3",
		"route replace 169.254.0.0/16 dev ens3 scope link",
	}))
}

func TestNamesOfLinksFit(t *testing.T) {
	g := NewWithT(t)
	a := &VCN{name: "a-vcn-with-a-long-name"}
	m := &Machine{config: MachineConfig{ID: "abcdefghijkl"}}

	g.Expect(len(a.port())).To(BeNumerically("<=", 15))
	g.Expect(len(m.port())).To(BeNumerically("<=", 15))
}

func TestDoNamesAMissingNamespace(t *testing.T) {
	g := NewWithT(t)

	err := Do("none", func() error { return nil })

	g.Expect(err).To(MatchError(ContainSubstring("enter the network namespace none")))
}
