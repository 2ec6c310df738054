// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"net/netip"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// nodeNetwork is a node as cilium and tailscaled leave it: ens3 on the VCN, cilium_host with the
// node's own pods, tailscale0 with table 52 and tailscale's rules (router_linux.go, baseIPRules).
const nodeNetwork = `
ip link set lo up
ip link add ens3 type veth peer name vcn
ip addr add 10.0.0.5/20 dev ens3
ip addr add fd00:aa::5/64 dev ens3 nodad
ip link set ens3 up
ip link set vcn up
ip route add default via 10.0.0.1 dev ens3
ip -6 route add default via fd00:aa::1 dev ens3
ip link add tailscale0 type veth peer name tunnel
ip link set tunnel up
ip addr add 100.64.0.9/32 dev tailscale0
ip addr add fd7a:115c:a1e0::9/128 dev tailscale0 nodad
ip link set tailscale0 up
for family in 4 6; do
	ip -$family rule add pref 5210 fwmark 0x80000/0xff0000 lookup main
	ip -$family rule add pref 5250 fwmark 0x80000/0xff0000 type unreachable
	ip -$family rule add pref 5270 lookup 52
done
ip route add 100.64.0.7 dev tailscale0 table 52
ip link add cilium_host type veth peer name cilium_net
ip addr add 10.244.0.10/32 dev cilium_host
ip link set cilium_host up
ip link set cilium_net up
ip route add 10.244.0.0/24 dev cilium_host src 10.244.0.10
ip -6 route add fd00:244::/64 dev cilium_host
offer() { for route in "$@"; do ip route replace "$route" dev tailscale0 table 52; done; }
ask() {
	for address in "$@"; do
		set -- $(ip route get $address)
		while [ "$1" != dev ]; do shift; done
		echo "$address $2"
	done
}
`

// asked are the answers of "ask": the interface by the address.
func asked(out string) map[string]string {
	answers := map[string]string{}
	for line := range strings.Lines(out) {
		if address, device, found := strings.Cut(strings.TrimSpace(line), " "); found && address != "capom:" {
			answers[address] = device
		}
	}
	return answers
}

func prefixes(words ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, word := range words {
		out = append(out, netip.MustParsePrefix(word))
	}
	return out
}

// Interfaces of nodeNetwork.
const (
	onVCN, onTailnet, inPods = "ens3", "tailscale0", "cilium_host"
)

type fenceWorld struct {
	change  func(*Input)
	offered string
	want    map[string]string
}

// fenceWorlds are what a tailnet offers, and which device then takes which address.
var fenceWorlds = map[string]fenceWorld{
	"nothing":               {offered: "", want: map[string]string{"10.244.1.77": inPods, "192.168.1.9": onVCN}},
	"another cluster":       {offered: "10.244.0.0/24 10.244.1.0/24", want: map[string]string{"10.244.1.77": inPods}},
	"a connector for pods":  {offered: "10.244.0.0/16", want: map[string]string{"10.244.1.77": inPods, "10.244.9.9": onVCN}},
	"a wider one":           {offered: "10.128.0.0/9", want: map[string]string{"10.244.9.9": onVCN, "10.129.0.1": onTailnet}},
	"single pods":           {offered: "10.244.0.77 10.244.1.77", want: map[string]string{"10.244.1.77": inPods}},
	"Services":              {offered: "10.96.0.0/12 10.96.0.1", want: map[string]string{"10.97.0.1": onVCN}},
	"the VCN's range":       {offered: "10.0.0.0/16", want: map[string]string{"10.0.200.9": onVCN}},
	"hosts of the VCN":      {offered: "10.0.15.20 10.0.0.1 10.0.200.9", want: map[string]string{"10.0.200.9": onVCN}},
	"an office":             {offered: "10.0.0.0/8", want: map[string]string{"10.0.200.9": onVCN, "10.244.1.77": inPods, "10.9.9.9": onTailnet, "10.244.9.9": onVCN}},
	"a home":                {offered: "192.168.0.0/16", want: map[string]string{"192.168.1.9": onTailnet}},
	"link-local":            {offered: "169.254.0.0/16 169.254.169.254"},
	"an exit node":          {offered: "default", want: map[string]string{"198.51.100.1": onTailnet, "10.0.200.9": onVCN, "10.244.9.9": onVCN}},
	"everything in halves":  {offered: "0.0.0.0/1 128.0.0.0/1", want: map[string]string{"198.51.100.1": onTailnet, "10.244.9.9": onVCN}},
	"a VIP":                 {offered: "10.250.0.1", want: map[string]string{"10.250.0.1": onTailnet}},
	"a VIP and an office":   {offered: "10.250.0.1 10.0.0.0/8", want: map[string]string{"10.250.0.1": onTailnet, "10.250.0.9": onTailnet}},
	"an unknown VCN, wider": {change: func(in *Input) { in.VCNCIDRs = nil }, offered: "10.0.0.0/16", want: map[string]string{"10.0.200.9": onTailnet}},
	"VIPs in the VCN": {
		change: func(in *Input) {
			in.VCNCIDRs = prefixes("10.250.0.0/16", "10.0.0.0/16")
		},
		offered: "10.250.0.1 10.250.0.0/16", want: map[string]string{"10.250.0.1": onTailnet, "10.250.0.9": onVCN, "10.250.7.7": onVCN},
	},
	"VIPs around the VCN": {
		change:  func(in *Input) { in.Endpoint.VIPRange = netip.MustParsePrefix("10.0.0.0/8") },
		offered: "10.250.0.1 10.0.0.0/8", want: map[string]string{"10.250.0.1": onTailnet, "10.0.200.9": onVCN, "10.244.1.77": inPods},
	},
}

func TestNoRouteOfTheTailnetTakesWhatIsTheNodesOwn(t *testing.T) {
	// always holds in every world.
	always := map[string]string{"100.64.0.7": onTailnet, "169.254.169.254": onVCN, "169.254.0.2": onVCN, "10.244.0.77": inPods,
		"10.0.0.1": onVCN, "10.0.15.20": onVCN, "10.96.0.1": onVCN}
	for name, tc := range fenceWorlds {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := controlPlaneInput()
			in.VCNCIDRs = prefixes("10.0.0.0/16")
			if tc.change != nil {
				tc.change(&in)
			}
			want := map[string]string{}
			var addresses []string
			for _, answers := range []map[string]string{always, tc.want} {
				for address, device := range answers {
					want[address] = device
					addresses = append(addresses, address)
				}
			}
			n := newTestNode(t, in)

			out, err := n.inKernel(nodeNetwork+`ip route add 10.244.1.0/24 dev cilium_host src 10.244.0.10 mtu 1230
$guard once
offer `+tc.offered+`
ask `+strings.Join(addresses, " "), "-n", "-r")

			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(asked(out)).To(Equal(want), out)
		})
	}
}

func TestWithRoutesOnlyTheClustersOwnNodesArePodRoutes(t *testing.T) {
	cases := map[string]struct {
		offered string
		want    map[string]string
	}{
		"its nodes":           {"10.244.1.0/24", map[string]string{"10.244.0.77": inPods, "10.244.1.77": onTailnet, "10.244.9.9": onVCN}},
		"an office":           {"10.244.1.0/24 10.0.0.0/8", map[string]string{"10.244.0.77": inPods, "10.244.1.77": onTailnet, "10.244.9.9": onVCN, "10.9.9.9": onTailnet}},
		"a connector":         {"10.244.1.0/24 10.244.0.0/16", map[string]string{"10.244.0.77": inPods, "10.244.1.77": onTailnet, "10.244.9.9": onVCN}},
		"a part of it":        {"10.244.1.0/24 10.244.0.0/20", map[string]string{"10.244.0.77": inPods, "10.244.1.77": onTailnet, "10.244.9.9": onVCN}},
		"this node's own":     {"10.244.1.0/24 10.244.0.0/24", map[string]string{"10.244.0.77": inPods, "10.244.1.77": onTailnet}},
		"a pod of this node":  {"10.244.1.0/24 10.244.0.77", map[string]string{"10.244.0.77": inPods, "10.244.1.77": onTailnet}},
		"an exit node":        {"10.244.1.0/24 default", map[string]string{"10.244.0.77": inPods, "10.244.1.77": onTailnet, "10.244.9.9": onVCN, "198.51.100.1": onTailnet}},
		"the VCN":             {"10.244.1.0/24 10.0.0.0/16", map[string]string{"10.244.1.77": onTailnet, "10.0.15.20": onVCN, "10.0.0.1": onVCN}},
		"Services and a home": {"10.244.1.0/24 10.96.0.0/12 192.168.0.0/16", map[string]string{"10.96.0.1": onVCN, "192.168.1.9": onTailnet}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := controlPlaneInput()
			in.PodNetwork.Mode, in.PodNetwork.NodeCIDRMaskSize = PodNetworkTailnetRoutes, 24
			n := newTestNode(t, in)
			var addresses []string
			for address := range tc.want {
				addresses = append(addresses, address)
			}

			out, err := n.inKernel(nodeNetwork+"$guard once\noffer "+tc.offered+"\nask "+strings.Join(addresses, " "), "-n", "-r")

			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(asked(out)).To(Equal(tc.want), out)
		})
	}
}

func TestPacketsLeaveByTheTailnetWhateverTheirMark(t *testing.T) {
	for mode, podRoute := range map[PodNetworkMode]string{PodNetworkVXLAN: inPods, PodNetworkTailnetRoutes: onTailnet} {
		t.Run(string(mode), func(t *testing.T) {
			g := NewWithT(t)
			in := controlPlaneInput()
			in.PodNetwork.Mode = mode
			n := newTestNode(t, in)
			script := nodeNetwork
			if mode == PodNetworkVXLAN {
				script += "ip route add 10.244.1.0/24 dev cilium_host\n"
			}

			out, err := n.inKernel(script+`$guard once
offer 10.244.1.0/24 10.250.0.1
for address in 100.64.0.7 10.250.0.1 10.244.1.77; do
	ip route get $address mark 0x80000
done`, "-n", "-r")

			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(out).To(MatchRegexp(`(?m)^100\.64\.0\.7 dev tailscale0`))
			g.Expect(out).To(MatchRegexp(`(?m)^10\.250\.0\.1 dev tailscale0`))
			g.Expect(out).To(MatchRegexp(`(?m)^10\.244\.1\.77 dev ` + podRoute))
		})
	}
}

func TestIPv6IsFencedAlike(t *testing.T) {
	g := NewWithT(t)
	in := controlPlaneInput()
	in.PodNetwork.PodCIDRs = prefixes("10.244.0.0/16", "fd00:244::/56")
	n := newTestNode(t, in)

	out, err := n.inKernel(nodeNetwork+`$guard once
for route in ::/0 fd00::/8 fd00:aa::/64 fd00:244::/56 fd00:c1::/64 2001:db8::/32; do ip -6 route add $route dev tailscale0 table 52; done
ask fd00:aa::20 fd00:244::77 fd00:244:0:9::9 fd00:c1::a9fe:a9fe fd00:bb::1 2001:db8::1`, "-n", "-r")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(asked(out)).To(Equal(map[string]string{"fd00:aa::20": onVCN, "fd00:244::77": inPods, "fd00:244:0:9::9": onVCN, "fd00:c1::a9fe:a9fe": onVCN,
		"fd00:bb::1": onTailnet, "2001:db8::1": onTailnet}), out)
}

func TestWhateverIsChangedInThePolicyRulesIsPutBack(t *testing.T) {
	cases := map[string]string{
		"a rule is gone":               "ip rule del pref 5201",
		"all are gone":                 "for n in 1 2 3 4 5 6; do ip rule flush; ip rule add pref 32766 lookup main; done",
		"all of ours are gone":         "for pref in 5200 5201 5203; do while ip rule del pref $pref 2>/dev/null; do :; done; done",
		"one is at another place":      "ip rule del pref 5200 to 100.64.0.0/10 && ip rule add pref 5202 to 100.64.0.0/10 lookup 52",
		"one leads elsewhere":          "ip rule del pref 5201 && ip rule add pref 5201 lookup 52",
		"a strange one is among":       "ip rule add pref 5200 to 10.0.0.0/16 lookup 52",
		"one of IPv6 is gone":          "ip -6 rule del pref 5201",
		"tailscaled has restarted":     "ip rule del pref 5270 && ip rule del pref 5203 && ip rule add pref 5270 lookup 52",
		"a strange one is on a device": "ip rule add pref 5201 iif gone to 10.0.0.0/16 lookup 52",
		"a strange one refuses":        "ip rule add pref 5201 to 10.0.0.0/16 unreachable",
		"nothing, but a new address":   "ip addr add 10.0.0.6/20 dev ens3",
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := controlPlaneInput()
			in.VCNCIDRs = prefixes("10.0.0.0/16")
			n := newTestNode(t, in)
			// Among rules of one number the order makes no difference.
			list := `{ ip -4 rule show; ip -6 rule show; } | grep '^520[0-3]:' | sort`

			out, err := n.inKernel(nodeNetwork+`$guard once >/dev/null
`+list+` >"$CAPOM_ROOT/before"
`+damage+`
$guard again
`+list+` >"$CAPOM_ROOT/after"
offer 10.0.0.0/16
ask 10.0.200.9`, "-n", "-r")

			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(n.read("before")).To(ContainSubstring("5201:\tfrom all lookup main suppress_prefixlength 0"))
			g.Expect(n.read("after")).To(Equal(n.read("before")))
			g.Expect(asked(out)).To(HaveKeyWithValue("10.0.200.9", onVCN))
			g.Expect(strings.Contains(out, "restored")).To(Equal(!strings.HasPrefix(name, "nothing")), out)
		})
	}
}

func TestRulesOfOthersWithLikeNumbersStay(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())

	out, err := n.inKernel(nodeNetwork+`for pref in 520 5204 5209 52000 52099; do ip rule add pref $pref to 198.51.100.0/24 lookup 77; done
$guard once >/dev/null
ip rule del pref 5201
$guard again
ip rule show`, "-n", "-r")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(out).To(ContainSubstring("restored"))
	for _, pref := range []string{"520", "5204", "5209", "52000", "52099"} {
		g.Expect(out).To(MatchRegexp(`(?m)^`+pref+`:\s.*lookup 77`), out)
	}
}

func TestWhatIsGoneAfterTheListingComesBackInTheNextRound(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.write("ip", `#!/bin/sh
/usr/sbin/ip "$@"; rc=$?
case "$*" in *-4*show) [ -e "$CAPOM_ROOT/flushed" ] || { touch "$CAPOM_ROOT/flushed"; /usr/sbin/ip rule del pref 5203; } ;; esac
exit $rc
`, 0o755)
	const list = `{ ip -4 rule show; ip -6 rule show; } | grep '^520[0-3]:' | sort`

	out, err := n.inKernel(nodeNetwork+`$guard once >/dev/null
`+list+` >"$CAPOM_ROOT/before"
ip rule del pref 5200
mv "$CAPOM_ROOT/ip" "$CAPOM_ROOT/stubs/ip"
$guard again
$guard again
rm "$CAPOM_ROOT/stubs/ip"
`+list+` >"$CAPOM_ROOT/after"`, "-n", "-r")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.exists("flushed")).To(BeTrue())
	g.Expect(n.read("after")).To(Equal(n.read("before")))
}

// A failure is told, so that kubelet does not start, and everything else is in place by then and
// stays there: no round takes a fence down to put it up again.
func TestARuleThatTheKernelRefusesCostsNoOtherGuard(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.write("ip", `#!/bin/sh
case "$*" in
*"rule show"*) ;;
*rule*) echo "$*" >>"$CAPOM_ROOT/changes" ;;
esac
case "$*" in
"-4 rule add pref 5201 "*) exec /usr/sbin/ip "$@" tos 0x03 ;;
esac
exec /usr/sbin/ip "$@"
`, 0o755)
	const list = `{ ip -4 rule show; ip -6 rule show; } | grep '^520[0-3]:' | sort`

	out, err := n.inKernel(nodeNetwork+`$guard once >/dev/null
`+list+` >"$CAPOM_ROOT/before"
ip rule del pref 5200
ip rule del pref 5201
nft delete table inet capom
sysctl -q -w net.ipv4.conf.all.src_valid_mark=1
mv "$CAPOM_ROOT/ip" "$CAPOM_ROOT/stubs/ip"
for round in 1 2 3; do $guard again && echo "no failure is told"; done
rm "$CAPOM_ROOT/stubs/ip"
`+list+` >"$CAPOM_ROOT/after"
nft list table inet capom >"$CAPOM_ROOT/table"
sysctl -n net.ipv4.conf.all.src_valid_mark >"$CAPOM_ROOT/mark"
$guard again
`+list+` >"$CAPOM_ROOT/healed"`, "-n", "-r")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(out).NotTo(ContainSubstring("no failure is told"))
	g.Expect(out).To(ContainSubstring("the kernel refuses ip -4 rule add pref 5201 from all lookup 254 suppress_prefixlength 0: "))
	g.Expect(n.read("after")).To(Equal(strings.Replace(n.read("before"), "5201:\tfrom all lookup main suppress_prefixlength 0\n", "", 1)), out)
	g.Expect(n.read("table")).To(ContainSubstring("chain metadata"))
	g.Expect(n.read("mark")).To(Equal("0\n"))
	g.Expect(n.read("healed")).To(Equal(n.read("before")))
	changes := strings.Split(strings.TrimSpace(n.read("changes")), "\n")
	g.Expect(changes).To(HaveLen(4), "5200 once, and the refused rule in each round")
	g.Expect(changes).To(HaveEach(ContainSubstring(" rule add pref ")))
}
