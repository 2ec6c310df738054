// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// oracleRules is the shape of /etc/iptables/rules.v4 on Oracle's Ubuntu images.
const oracleRules = `*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:InstanceServices - [0:0]
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
-A FORWARD -j REJECT --reject-with icmp-host-prohibited
-A OUTPUT -d 169.254.0.0/16 -j InstanceServices
-A InstanceServices -d 169.254.0.2/32 -p tcp -m owner --uid-owner 0 -m tcp --dport 3260 -j ACCEPT
-A InstanceServices -d 169.254.0.0/16 -p tcp -m tcp -j REJECT --reject-with tcp-reset
COMMIT
`

func TestOraclesFirewallIsOpenedAheadOfItsRejectAndOtherwiseKept(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.write("etc/iptables/rules.v4", oracleRules, 0o640)
	n.stub("iptables", `[ "$3" != -C ]`)

	out, err := n.run("capom-host")
	g.Expect(err).NotTo(HaveOccurred(), out)
	once := n.read("etc/iptables/rules.v4")
	out, err = n.run("capom-host")
	g.Expect(err).NotTo(HaveOccurred(), out)

	g.Expect(n.read("etc/iptables/rules.v4")).To(Equal(once), "a second run changes nothing")
	for _, chain := range []string{"INPUT", "FORWARD"} {
		opened := strings.Index(once, "-A "+chain+" -i tailscale0 -m comment --comment capom -j ACCEPT\n")
		g.Expect(opened).To(BeNumerically(">", 0))
		g.Expect(opened).To(BeNumerically("<", strings.Index(once, "-A "+chain+" -j REJECT")))
	}
	var kept strings.Builder
	for line := range strings.Lines(once) {
		if !strings.Contains(line, "--comment capom") {
			kept.WriteString(line)
		}
	}
	g.Expect(kept.String()).To(Equal(oracleRules))
	g.Expect(n.calls()).To(ContainElements(
		"iptables -w 10 -I INPUT 1 -p udp -m udp --dport 41641 -j ACCEPT", "iptables -w 10 -I FORWARD 1 -i lxc+ -j ACCEPT"))
	g.Expect(n.read("calls")).NotTo(ContainSubstring("6443"), "with a VIP the API server is reached over the tailnet only")
}

func TestALoadBalancerReachesTheAPIServerThroughTheFirewall(t *testing.T) {
	g := NewWithT(t)
	in := controlPlaneInput()
	in.Endpoint = Endpoint{Host: "lb.example"}
	n := newTestNode(t, in)
	n.stub("iptables", `[ "$3" != -C ]`)

	out, err := n.run("capom-host")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.calls()).To(ContainElement("iptables -w 10 -I INPUT 1 -p tcp -m tcp --dport 6443 -j ACCEPT"))
}

func TestFirewalldIsOpenedNowAndForLater(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.stub("systemctl", "exit 0")

	out, err := n.run("capom-host")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.calls()).To(ContainElements(
		"firewall-cmd -q --zone=trusted --change-interface=tailscale0", "firewall-cmd -q --permanent --zone=trusted --change-interface=tailscale0",
		"firewall-cmd -q --permanent --add-port=41641/udp"))
	g.Expect(n.read("calls")).NotTo(ContainSubstring("--reload"))
}

func TestSwapIsOffNowAndAfterAReboot(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, controlPlaneInput())
	n.write("etc/fstab", "UUID=1 / xfs defaults 0 0\n/.swapfile none swap sw,comment=x 0 0\n", 0o644)

	out, err := n.run("capom-host")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.calls()).To(ContainElement("swapoff -a"))
	g.Expect(n.read("etc/fstab")).To(Equal("UUID=1 / xfs defaults 0 0\n#capom /.swapfile none swap sw,comment=x 0 0\n"))
}
