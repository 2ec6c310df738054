// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package network_test

import (
	"net"
	"testing"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"

	. "github.com/onsi/gomega"
)

func TestMachinesOfAVCNReachEachOther(t *testing.T) {
	l := newLab(t)
	near := l.machine(l.alpha, "a3", "10.0.0.13", "10.0.0.0/24", "")

	l.answer(l.a1.Namespace(), "10.0.0.13").Should(Equal("a3 sees 10.0.0.11"), "in one subnet")
	l.answer(near.Namespace(), "10.0.0.11").Should(Equal("a1 sees 10.0.0.13"))
	l.answer(l.a1.Namespace(), "10.0.1.12").Should(Equal("a2 sees 10.0.0.11"), "in another subnet")
	l.answer(l.a2.Namespace(), "10.0.0.11").Should(Equal("a1 sees 10.0.1.12"))
}

func TestMachinesReachTheInternet(t *testing.T) {
	l := newLab(t)
	l.serve(network.Management, network.ManagementAddress, "management")

	l.answer(l.a1.Namespace(), network.ManagementAddress).Should(Equal("management sees "+alphaPublic), "with its public address")
	l.answer(l.a2.Namespace(), network.ManagementAddress).Should(Equal("management sees "+alphaRouter), "with the router's")
	l.answer(l.b1.Namespace(), network.ManagementAddress).Should(Equal("management sees " + bravoPublic))
	l.answer(l.b2.Namespace(), alphaPublic).Should(Equal("a1 sees 198.51.100.11"), "from VCN to VCN over a public address")
}

func TestVCNsDoNotReachEachOthersPrivateAddresses(t *testing.T) {
	l := newLab(t)
	elsewhere := l.machine(l.bravo, "b3", "172.16.5.13", "172.16.5.0/24", "")

	l.answer(l.a1.Namespace(), "10.0.0.11").Should(Equal("a1 sees 10.0.0.11"), "the same address is one's own")
	l.Expect(l.ask(l.a1.Namespace(), "10.0.2.12")).To(BeEmpty())
	l.Expect(l.ask(l.a2.Namespace(), "172.16.5.13")).To(BeEmpty())
	l.Expect(l.ask(elsewhere.Namespace(), "10.0.1.12")).To(BeEmpty())
}

func TestRoutersForwardNothingUntranslatedFromTheInternet(t *testing.T) {
	l := newLab(t)
	l.run(network.Management, "ip", "route", "add", "10.0.0.0/16", "via", alphaRouter)
	t.Cleanup(func() { l.run(network.Management, "ip", "route", "del", "10.0.0.0/16", "via", alphaRouter) })

	l.Expect(l.ask(network.Management, "10.0.0.11")).To(BeEmpty(), "a machine with a public address")
	l.Expect(l.ask(network.Management, "10.0.1.12")).To(BeEmpty(), "a machine without")
	l.answer(network.Management, alphaPublic).Should(Equal("a1 sees " + network.ManagementAddress))
	l.Expect(l.ask(network.Management, alphaRouter)).To(BeEmpty())
}

func TestAnswersComeFromThePublicAddress(t *testing.T) {
	l := newLab(t)
	management := l.udp(network.Management, net.JoinHostPort(network.ManagementAddress, "0"))
	machine := l.udp(l.a1.Namespace(), "0.0.0.0:41641")

	client := l.send(management, alphaPublic+":41641", machine)
	server := l.send(machine, client, management)

	l.Expect(client).To(Equal(management.LocalAddr().String()))
	l.Expect(server).To(Equal(alphaPublic + ":41641"))
}

func TestPortsSurviveTranslation(t *testing.T) {
	l := newLab(t)
	management := l.udp(network.Management, net.JoinHostPort(network.ManagementAddress, "0"))
	to := management.LocalAddr().String()

	l.Expect(l.send(l.udp(l.a1.Namespace(), "0.0.0.0:41641"), to, management)).To(Equal(alphaPublic + ":41641"))
	l.Expect(l.send(l.udp(l.a2.Namespace(), "0.0.0.0:41641"), to, management)).To(Equal(alphaRouter + ":41641"))
}

func TestMachinesHaveOCIsInterface(t *testing.T) {
	l := newLab(t)

	l.Expect(l.run(l.a1.Namespace(), "ip", "-brief", "-4", "address")).To(MatchRegexp(`(?m)^ens3@\S+\s+UP\s+10\.0\.0\.11/24\s*$`))
	l.Expect(l.run(l.a1.Namespace(), "ip", "-oneline", "link", "show", "ens3")).To(ContainSubstring(" mtu 1500 "))
	l.Expect(l.run(l.a1.Namespace(), "ip", "-4", "route")).To(Equal(
		"default via 10.0.0.1 dev ens3 \n10.0.0.0/24 dev ens3 proto kernel scope link src 10.0.0.11 \n169.254.0.0/16 dev ens3 scope link \n"))
	for _, setting := range []string{"net.ipv4.ip_forward", "net.ipv4.conf.ens3.rp_filter", "net.bridge.bridge-nf-call-iptables"} {
		l.Expect(l.run(l.a1.Namespace(), "sysctl", "-n", setting)).To(Equal("0\n"), setting)
	}
}
