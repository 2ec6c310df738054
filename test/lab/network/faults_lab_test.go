// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package network_test

import (
	"context"
	"net"
	"net/netip"
	"os"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
)

func TestAVCNIsCutAndReturns(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	l.serve(network.Management, network.ManagementAddress, "management")
	open := l.connect(l.a1.Namespace(), network.ManagementAddress)
	l.Expect(exchange(open, soon)).NotTo(BeEmpty())
	routes := l.run(l.alpha.Namespace(), "ip", "-4", "route")

	l.Expect(l.alpha.SetUplink(ctx, false)).To(Succeed())

	l.Expect(exchange(open, unanswered)).To(BeEmpty(), "what was open")
	l.Expect(l.ask(l.a2.Namespace(), network.ManagementAddress)).To(BeEmpty(), "out")
	l.Expect(l.ask(network.Management, alphaPublic)).To(BeEmpty(), "in")
	l.answer(l.a1.Namespace(), "10.0.1.12").Should(Equal("a2 sees 10.0.0.11"), "within")
	l.answer(l.b1.Namespace(), network.ManagementAddress).Should(Equal("management sees "+bravoPublic), "the other VCN")

	l.Expect(l.alpha.SetUplink(ctx, true)).To(Succeed())

	l.answer(l.a2.Namespace(), network.ManagementAddress).Should(Equal("management sees " + alphaRouter))
	l.answer(network.Management, alphaPublic).Should(Equal("a1 sees " + network.ManagementAddress))
	l.Expect(exchange(open, soon)).To(Equal("management sees "+alphaPublic), "what was open goes on")
	l.Expect(l.run(l.alpha.Namespace(), "ip", "-4", "route")).To(Equal(routes))
}

func TestAMachineIsUnpluggedAndPluggedIn(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()

	l.Expect(l.a1.SetLink(ctx, false)).To(Succeed())

	l.Expect(l.ask(l.a2.Namespace(), "10.0.0.11")).To(BeEmpty())
	l.Expect(l.ask(network.Management, alphaPublic)).To(BeEmpty())

	l.Expect(l.a1.SetLink(ctx, true)).To(Succeed())

	l.answer(l.a2.Namespace(), "10.0.0.11").Should(Equal("a1 sees 10.0.1.12"))
	l.answer(network.Management, alphaPublic).ShouldNot(BeEmpty())
}

func TestAServerIsBlocked(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	l.serve(network.Management, network.ManagementAddress, "coordination")
	l.serve(network.Management, network.MirrorAddress, "mirror")
	open := l.connect(l.a1.Namespace(), network.ManagementAddress)
	server := netip.MustParseAddrPort(net.JoinHostPort(network.ManagementAddress, port))

	l.Expect(l.network.Block(ctx, "tcp", server, true)).To(Succeed())
	l.Expect(l.network.Block(ctx, "tcp", server, true)).To(Succeed(), "twice")

	l.Expect(exchange(open, unanswered)).To(BeEmpty())
	l.Expect(l.ask(l.a1.Namespace(), network.ManagementAddress)).To(BeEmpty())
	l.Expect(l.ask(l.b2.Namespace(), network.ManagementAddress)).To(BeEmpty())
	l.answer(l.a1.Namespace(), network.MirrorAddress).Should(Equal("mirror sees "+alphaPublic), "another address")
	l.answer(network.Management, network.ManagementAddress).ShouldNot(BeEmpty(), "from the management host itself")

	l.Expect(l.network.Block(ctx, "tcp", server, false)).To(Succeed())
	l.Expect(l.network.Block(ctx, "tcp", server, false)).To(Succeed(), "twice")

	l.answer(l.a1.Namespace(), network.ManagementAddress).Should(Equal("coordination sees " + alphaPublic))
	l.Expect(exchange(open, soon)).To(Equal("coordination sees " + alphaPublic))
}

func TestAResetNamespaceIsAsAfterABoot(t *testing.T) {
	l := newLab(t)
	namespace := l.a2.Namespace()
	l.run(namespace, "ip", "link", "add", "left", "type", "bridge")
	l.run(namespace, "ip", "route", "add", "192.0.2.0/24", "via", "10.0.1.1")
	l.run(namespace, "nft", "add table inet left")

	l.Expect(l.a2.Reset(t.Context())).To(Succeed())

	l.Expect(l.a2.Namespace()).To(Equal(namespace))
	l.Expect(l.run(namespace, "ip", "-brief", "link")).NotTo(ContainSubstring("left"))
	l.Expect(l.run(namespace, "ip", "-4", "route")).NotTo(ContainSubstring("192.0.2.0"))
	l.Expect(l.run(namespace, "nft", "list", "tables")).To(BeEmpty())
	l.serve(namespace, "", "again")
	l.answer(l.a1.Namespace(), "10.0.1.12").Should(Equal("again sees 10.0.0.11"))
}

func TestARemovedMachineLeavesNothing(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	management := l.udp(network.Management, net.JoinHostPort(network.ManagementAddress, "0"))
	to := management.LocalAddr().String()
	l.Expect(l.send(l.udp(l.a1.Namespace(), "0.0.0.0:41641"), to, management)).To(Equal(alphaPublic + ":41641"))

	l.Expect(l.a1.Remove(ctx)).To(Succeed())
	l.Expect(l.a1.Remove(ctx)).To(Succeed(), "twice")

	l.Expect(network.Path(l.a1.Namespace())).NotTo(BeAnExistingFile())
	l.Expect(l.run(l.alpha.Namespace(), "ip", "-brief", "link")).NotTo(ContainSubstring("m-a1"))
	l.Expect(l.run(l.alpha.Namespace(), "ip", "-brief", "address")).NotTo(ContainSubstring(alphaPublic))
	l.Expect(l.run(l.alpha.Namespace(), "nft", "list", "ruleset")).NotTo(ContainSubstring("10.0.0.11"))
	l.Expect(l.run(l.alpha.Namespace(), "conntrack", "-L")).NotTo(ContainSubstring("10.0.0.11"))

	heir := l.machine(l.alpha, "heir", "10.0.0.11", "10.0.0.0/24", "198.18.0.9")
	l.Expect(l.send(l.udp(heir.Namespace(), "0.0.0.0:41641"), to, management)).To(Equal("198.18.0.9:41641"),
		"the next machine with the address is not taken for the last")
}

func TestCloseLeavesNothing(t *testing.T) {
	l := newLab(t)

	l.Expect(l.network.Close(context.Background())).To(Succeed())

	entries, err := os.ReadDir("/run/netns")
	l.Expect(err).NotTo(HaveOccurred())
	var left []string
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	l.Expect(left).To(ConsistOf(network.Internet, network.Management))
	// The kernel takes a namespace apart after its last user is gone.
	l.Eventually(func() string { return l.run(network.Internet, "ip", "-brief", "link", "show", "type", "veth") }, soon).
		Should(MatchRegexp(`^mgmt@\S+ [^\n]*\n$`))
}
