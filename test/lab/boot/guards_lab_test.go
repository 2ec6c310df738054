// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package boot_test

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
)

// Marks of packets, from Cilium's identities and in tailscale's own rules, in decimal as ping takes
// them.
const (
	bypassMark     = "524288" // 0x00080000
	masqueradeMark = "262144" // 0x00040000
)

// node is a machine with a pod range, as a cluster would have given it.
type node struct {
	*solo
	tailnet string
	// gateway is the first address of the pod range, pod another one.
	gateway, pod, pods string
}

// TestHostGuards boots two nodes in two accounts and takes one guard away at a time, to show the
// need for each.
func TestHostGuards(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	one := b.boot(world.SoloOptions{Account: alpha, Input: input("guarded-1", workerData(nil)), Files: files("CAPOM_GUARD_INTERVAL=2"), Public: true})
	two := b.boot(world.SoloOptions{Account: bravo, Input: input("guarded-2", workerData(nil)), Files: files("CAPOM_GUARD_INTERVAL=2")})
	nodes := [2]*node{}
	for i, s := range []*solo{one, two} {
		s.joined()
		nodes[i] = &node{solo: s, tailnet: s.address(), gateway: fmt.Sprintf("10.244.%d.1", i+1), pod: fmt.Sprintf("10.244.%d.10", i+1),
			pods: fmt.Sprintf("10.244.%d.0/24", i+1)}
	}
	for i, n := range nodes {
		n.makePodNetwork(nodes[1-i])
	}
	a, z := nodes[0], nodes[1]
	b.Eventually(a.ask("ping -c 1 -W 2 "+z.tailnet), soon).Should(ContainSubstring(" 0% packet loss"))
	b.Eventually(a.ask("ping -c 1 -W 2 -I "+a.gateway+" "+z.gateway), soon).Should(ContainSubstring(" 0% packet loss"), "VXLAN over the tailnet")

	for _, c := range []struct {
		name string
		run  func(*testing.T, *node, *node)
	}{
		{"no route of the tailnet takes what is the node's own", routersAreFencedOff},
		{"marked packets leave by the tailnet", markedPacketsLeaveByTheTailnet},
		{"marked packets keep their source", markedPacketsKeepTheirSource},
		{"tailscaled uses no pod address as a way to a peer", tailscaledKeepsOutOfThePodNetwork},
		{"a pod reaches name service and nothing else of the cloud's", aPodReachesNameServiceOnly},
		{"a pod of the host's network is kept from the metadata service", aHostNetworkPodGetsNoMetadata},
		{"tailnet, VIP and pod sources from the VCN are dropped", spoofedSourcesAreDropped},
		{"the image's firewall is opened and otherwise kept", theFirewallIsKept},
		{"what others remove comes back", whatOthersRemoveComesBack},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, n := range nodes {
				n.bench = newBench(t)
			}
			c.run(t, a, z)
		})
	}
	for _, n := range nodes {
		n.bench = b
	}
}

// untilListening waits for a tcpdump in the background of a script, and fails once it has ended.
const untilListening = "until grep -qs listening /run/capture.err; do kill -0 $! || exit 1; sleep 0.1; done"

// makePodNetwork makes interfaces as Cilium would: its own address, a tunnel to the
// other node, and a pod behind a pair of interfaces.
func (n *node) makePodNetwork(other *node) {
	n.sh(fmt.Sprintf(`set -e
ip link add cilium_host type veth peer name cilium_net
ip link set cilium_net up
ip addr add %[1]s/32 dev cilium_host
ip link set cilium_host up
ip link add cilium_vxlan address %[6]s type vxlan id 42 dstport 8472 local %[2]s dev tailscale0 nolearning
ip link set cilium_vxlan mtu 1230 up
ip neigh replace %[4]s lladdr %[7]s dev cilium_vxlan nud permanent
bridge fdb replace %[7]s dev cilium_vxlan dst %[5]s
ip route replace %[8]s via %[4]s dev cilium_vxlan onlink src %[1]s
ip netns add pod
ip link add lxc1 type veth peer name eth0 netns pod
ip link set lxc1 up
ip route add %[3]s/32 dev lxc1
ip -n pod link set lo up
ip -n pod addr add %[3]s/32 dev eth0
ip -n pod link set eth0 up
ip -n pod route add %[1]s dev eth0
ip -n pod route add default via %[1]s
echo 'table ip pods { chain postrouting { type nat hook postrouting priority srcnat; ip saddr 10.244.0.0/16 oifname "ens3" masquerade; }; }' | nft -f -
`, n.gateway, n.tailnet, n.pod, other.gateway, other.tailnet, hardware(n), hardware(other), other.pods))
}

// hardware is a hardware address for a node's end of the tunnel.
func hardware(n *node) string { return "0a:58:00:00:00:0" + n.gateway[len("10.244."):len("10.244.")+1] }

// without takes a guard away, runs the check, and puts it back.
func (n *node) without(remove string, look func()) {
	n.bench.t.Helper()
	n.sh("systemctl stop capom-guard.service && " + remove)
	// A failed check ends the test, but leaves the guards in place for the following ones.
	defer n.sh("systemctl start capom-guard.service")
	look()
}

func markedPacketsLeaveByTheTailnet(_ *testing.T, a, z *node) {
	b := a.bench
	for _, mark := range []string{bypassMark, masqueradeMark} {
		b.Expect(a.sh("ip route get "+z.tailnet+" mark "+mark)).To(ContainSubstring("dev tailscale0"), mark)
		b.Eventually(a.ask("ping -c 1 -W 2 -m "+mark+" "+z.tailnet), soon).Should(ContainSubstring(" 0% packet loss"), mark)
	}
	b.Expect(a.sh("ip route get 10.250.0.9 mark " + bypassMark)).NotTo(ContainSubstring("unreachable"))

	a.without("ip rule del pref 5200 to 100.64.0.0/10 lookup 52", func() {
		b.Expect(a.sh("ip route get "+z.tailnet+" mark "+bypassMark)).To(ContainSubstring("dev ens3"), "control")
		b.Expect(a.try("ping -c 1 -W 2 -m "+bypassMark+" "+z.tailnet)).To(BeFalse(), "control")
	})

	b.Eventually(a.ask("ping -c 1 -W 2 -m "+bypassMark+" "+z.tailnet), soon).Should(ContainSubstring(" 0% packet loss"), "after the guard is back")
}

// sourceOnTailnet is the source address of a marked packet leaving the pod network.
func (n *node) sourceOnTailnet(to *node) string {
	n.bench.t.Helper()
	return n.sh(fmt.Sprintf(`rm -f /run/capture.err
timeout 20 tcpdump -n -l -i tailscale0 -c 1 'icmp[icmptype] = icmp-echo and dst host %[1]s' >/run/capture 2>/run/capture.err &
`+untilListening+`
ping -c 2 -W 1 -m %[2]s -I %[3]s %[1]s >/dev/null || true
wait
sed -n 's/.* IP \(.*\) > .*/\1/p' /run/capture`, to.tailnet, masqueradeMark, n.gateway))
}

func markedPacketsKeepTheirSource(_ *testing.T, a, z *node) {
	b := a.bench
	const validMark = "sysctl -n net.ipv4.conf.all.src_valid_mark"
	b.Eventually(func() string { return a.sourceOnTailnet(z) }, soon).Should(Equal(a.gateway))
	b.Expect(a.sh(validMark)).To(Equal("0"))

	a.without("tailscale set --netfilter-mode=on --snat-subnet-routes=true", func() {
		b.Eventually(a.ask(validMark), soon).Should(Equal("1"), "control: Cilium's proxy would not work")
		b.Eventually(func() string { return a.sourceOnTailnet(z) }, soon).Should(Equal(a.tailnet), "control: masqueraded")
	})

	b.Eventually(a.ask(validMark), soon).Should(Equal("0"), "the guard sets it back")
	a.sh("tailscale set --netfilter-mode=off --snat-subnet-routes=false")
	b.Eventually(func() string { return a.sourceOnTailnet(z) }, soon).Should(Equal(a.gateway))
}

// tunnelled shows tailscaled's packets on Cilium's interfaces while it looks for paths to its peer
// again.
func (n *node) tunnelled(to *node) string {
	n.bench.t.Helper()
	return n.sh(fmt.Sprintf(`rm -f /run/capture.err
tcpdump -n -l --immediate-mode -i cilium_vxlan 'udp port 41641' >/run/capture 2>/run/capture.err &
`+untilListening+`
for round in 1 2 3; do
	tailscale debug rebind
	ping -c 2 -W 1 %[1]s >/dev/null || true
	tailscale ping -c 2 %[1]s >/dev/null || true
done
kill $!
wait
cat /run/capture`, to.tailnet))
}

func tailscaledKeepsOutOfThePodNetwork(_ *testing.T, a, z *node) {
	b := a.bench
	for _, n := range []*node{a, z} {
		b.Eventually(n.ask("tailscale debug restun; tailscale status --json --peers=false"), soon).Should(ContainSubstring(n.gateway+":41641"),
			"tailscaled offers the pod network's address, as it does any")
	}

	b.Expect(a.tunnelled(z)).To(BeEmpty())

	const unguarded = "nft flush chain inet capom output && nft flush chain inet capom input"
	z.without(unguarded, func() {
		a.without(unguarded, func() {
			b.Expect(a.tunnelled(z)).NotTo(BeEmpty(), "control: a tunnel inside its own tunnel")
		})
	})

	b.Eventually(func() string { return a.tunnelled(z) }, soon).Should(BeEmpty(), "after the guard is back")
	b.Eventually(a.ask("ping -c 1 -W 2 -I "+a.gateway+" "+z.gateway), soon).Should(ContainSubstring(" 0% packet loss"), "the pod network goes on")
}

func aPodReachesNameServiceOnly(_ *testing.T, a, _ *node) {
	b := a.bench
	const (
		metadata = "nsenter --net=/run/netns/pod curl -sf -m 3 -H 'Authorization: Bearer Oracle' http://169.254.169.254/opc/v2/instance/id"
		iscsi    = "nsenter --net=/run/netns/pod timeout 3 bash -c '</dev/tcp/169.254.%s/3260'"
		names    = "nsenter --net=/run/netns/pod getent hosts pkgs.k8s.io"
		stream   = "nsenter --net=/run/netns/pod timeout 3 bash -c '</dev/tcp/169.254.169.254/53'"
	)
	targets := []string{"0.2", "2.2"}
	b.Expect(a.sh(names)).To(ContainSubstring("198.51.100.3"))
	b.Expect(a.try(stream)).To(BeTrue(), "name service over TCP")
	b.Expect(a.try(metadata)).To(BeFalse())
	for _, target := range targets {
		b.Expect(a.try(fmt.Sprintf(iscsi, target))).To(BeFalse(), "iSCSI at 169.254.%s", target)
	}

	a.without("nft flush chain inet capom forward", func() {
		b.Expect(a.sh(metadata)).To(Equal(a.ID), "control: the pod takes the node's credentials")
		for _, target := range targets {
			b.Expect(a.try(fmt.Sprintf(iscsi, target))).To(BeTrue(), "control: iSCSI at 169.254.%s", target)
		}
	})

	b.Eventually(func() bool { return a.try(metadata) }, soon).Should(BeFalse(), "after the guard is back")
}

// aHostNetworkPodGetsNoMetadata makes kubelet's control group as late as kubelet does, after the
// guard's rules.
func aHostNetworkPodGetsNoMetadata(_ *testing.T, a, _ *node) {
	b := a.bench
	const (
		ask    = "curl -sf -m 3 -H 'Authorization: Bearer Oracle' http://169.254.169.254/opc/v2/instance/id"
		groups = "groups=/sys/fs/cgroup; [ -e $groups/cgroup.controllers ] || groups=$groups/unified; "
		asPod  = groups + "mkdir -p $groups/kubepods.slice/pod.scope; echo $$ >$groups/kubepods.slice/pod.scope/cgroup.procs; "
	)
	b.Expect(a.sh(asService+ask)).To(Equal(a.ID), "a service of the system")
	b.Expect(a.try(asPod+ask)).To(BeFalse(), "a pod as root")
	b.Expect(a.try(asPod+"setpriv --reuid=nobody --clear-groups "+ask)).To(BeFalse(), "a pod as a user")
	b.Expect(a.try(asPod+"getent hosts pkgs.k8s.io")).To(BeTrue(), "a pod's names")

	a.without("nft flush chain inet capom metadata", func() {
		b.Expect(a.sh(asPod+ask)).To(Equal(a.ID), "control: the pod reads user data and credentials")
	})

	b.Eventually(func() bool { return a.try(asPod + ask) }, soon).Should(BeFalse(), "after the guard is back")
	for _, unit := range []string{"capom-guard", "capom-join"} {
		b.Expect(a.sh("systemctl show -p ProtectSystem --value "+unit+".service")).To(Equal("strict"), unit)
		b.Expect(a.sh("systemctl show -p CapabilityBoundingSet --value "+unit+".service")).NotTo(ContainSubstring("cap_sys_admin"), unit)
	}
	b.Expect(a.sh("systemctl show -p Requires --value kubelet.service")).To(ContainSubstring("capom-guard.service"))
}

func spoofedSourcesAreDropped(_ *testing.T, a, z *node) {
	b := a.bench
	for name, source := range map[string]string{"a peer's": z.tailnet, "the VIP": vip, "a pod's": z.pod} {
		b.Expect(a.arrive(source)).To(Equal("0"), name)
		a.without("nft flush chain inet capom prerouting", func() {
			b.Expect(a.arrive(source)).NotTo(Equal("0"), "control: "+name)
		})
		b.Expect(a.arrive(source)).To(Equal("0"), "after the guard is back: "+name)
	}
	b.Expect(a.arrive("10.0.0.1")).NotTo(Equal("0"), "a neighbour with an address of the VCN")
}

// arrive sends three packets from the VCN with a source and counts, behind the guard's chain, the
// received ones.
func (n *node) arrive(source string) string {
	n.bench.t.Helper()
	b := n.bench
	n.sh(`echo 'table ip behind; delete table ip behind; table ip behind { chain prerouting { type filter hook prerouting priority -200; iifname "ens3" udp dport 9 counter; }; }' | nft -f -`)
	router := clouds.RouterNamespace(alpha)
	_, err := inNamespace(b.t.Context(), router, "ip addr add "+source+"/32 dev lo")
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(network.Do(router, func() error {
		conn, err := net.DialUDP("udp", &net.UDPAddr{IP: net.ParseIP(source)}, &net.UDPAddr{IP: net.ParseIP(n.PrivateIP), Port: 9})
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		for range 3 {
			// A packet let in is rejected by the image's firewall, and the next one gets this
			// rejection as an error instead of being sent.
			if _, err := conn.Write([]byte("!")); err != nil && !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.EHOSTUNREACH) {
				return err
			}
		}
		return nil
	})).To(Succeed())
	_, err = inNamespace(b.t.Context(), router, "ip addr del "+source+"/32 dev lo")
	b.Expect(err).NotTo(HaveOccurred())
	return n.sh("nft list chain ip behind prerouting | sed -n 's/.*packets \\([0-9]*\\).*/\\1/p'")
}
