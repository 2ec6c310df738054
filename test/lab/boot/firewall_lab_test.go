// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package boot_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
)

func theFirewallIsKept(_ *testing.T, a, _ *node) {
	b := a.bench
	original, err := os.ReadFile(filepath.Join(clouds.Programs.Assets.Stock, "etc/iptables/rules.v4"))
	b.Expect(err).NotTo(HaveOccurred())

	var kept strings.Builder
	for line := range strings.Lines(a.sh("cat /etc/iptables/rules.v4") + "\n") {
		if !strings.Contains(line, "--comment capom ") {
			kept.WriteString(line)
		}
	}
	b.Expect(kept.String()).To(Equal(string(original)), "for the next boot")
	// The kernel's form of the original, to compare with the present rules.
	a.sh("cat >/run/original <<'EOF'\n" + string(original) + "EOF\n")
	for _, chain := range []string{"InstanceServices", "OUTPUT"} {
		b.Expect(a.sh("iptables -S "+chain)).To(Equal(a.sh("unshare --net sh -c 'iptables-restore </run/original && iptables -S "+chain+"'")), chain)
	}
	for _, chain := range []string{"INPUT", "FORWARD"} {
		b.Expect(a.sh("iptables -S "+chain+" | tail -n 1")).To(Equal("-A "+chain+" -j REJECT --reject-with icmp-host-prohibited"), chain)
	}

	b.Expect(b.send(a.PrivateIP+":41641")).To(Succeed(), "tailscaled's port")
	b.Expect(errors.Is(b.send(a.PrivateIP+":41642"), syscall.EHOSTUNREACH)).To(BeTrue(), "another port is rejected")
	b.Expect(errors.Is(b.send(a.PrivateIP+":8472"), syscall.EHOSTUNREACH)).To(BeTrue(), "VXLAN is for the tailnet only")

	for _, target := range []string{"169.254.0.2/3260", "169.254.2.2/3260", "169.254.169.254/53", "169.254.169.254/80"} {
		b.Expect(a.try(asService+"timeout 3 bash -c '</dev/tcp/"+target+"'")).To(BeTrue(), "the host itself reaches "+target)
	}
	b.Expect(a.sh("getent hosts pkgs.k8s.io")).To(ContainSubstring(network.MirrorAddress))
	b.Expect(a.try("setpriv --reuid=nobody --clear-groups timeout 3 bash -c '</dev/tcp/169.254.0.2/3260'")).To(BeFalse(), "nobody but root reaches the boot volume")
}

// send sends a packet to a machine of the first account from the VCN, and returns the kernel's
// error.
func (b *bench) send(address string) error {
	conn, err := network.Dial(b.t.Context(), clouds.RouterNamespace(alpha), "udp", address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("?")); err != nil {
		return err
	}
	if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 100))
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return nil
	}
	return err
}

// ownRules lists the guard's policy rules. Those of one priority are of different destinations, and
// their order is of no account.
const ownRules = "(ip -4 rule; ip -6 rule) | grep ^520 | sort"

func whatOthersRemoveComesBack(_ *testing.T, a, z *node) {
	b := a.bench
	rules := a.sh(ownRules)
	table := a.sh("nft list table inet capom")

	// systemd-networkd removes unknown rules, and Cilium's or an administrator's nft may flush all
	// tables.
	a.sh("for pref in 5200 5201 5203; do while ip rule del pref $pref 2>/dev/null; do :; done\ndone; ip -6 rule del pref 5201; nft delete table inet capom; sysctl -q -w net.ipv4.conf.all.src_valid_mark=1")

	b.Eventually(a.ask(ownRules), soon).Should(Equal(rules))
	b.Eventually(a.ask("nft list table inet capom"), soon).Should(Equal(table))
	for _, damage := range []string{"nft flush chain inet capom metadata", "nft insert rule inet capom forward accept"} {
		a.sh(damage)
		b.Eventually(a.ask("nft list table inet capom"), soon).Should(Equal(table), damage)
	}
	b.Eventually(a.ask("sysctl -n net.ipv4.conf.all.src_valid_mark"), soon).Should(Equal("0"))

	const index = "ip -o link show dev tailscale0 | cut -d: -f1"
	before := a.sh(index)
	a.sh("systemctl restart tailscaled.service")
	b.Expect(a.sh(index)).To(Equal(before), "with another interface, Cilium compiles its programs anew")
	a.sh("systemctl kill -s KILL tailscaled.service")
	b.Eventually(a.ask("systemctl is-active tailscaled.service"), soon).Should(Equal("active"))
	b.Expect(a.sh(index)).To(Equal(before))

	b.Eventually(a.ask(ownRules), soon).Should(Equal(rules), "tailscaled flushes rules when it restarts")
	b.Eventually(a.ask("ip route show table 52"), soon).Should(ContainSubstring("10.0.0.0/8 dev tailscale0"))
	b.Expect(a.sh("ip route get 10.0.0.1")).To(ContainSubstring(" dev ens3 "), "the VCN's router, with an office's routes")
	b.Eventually(a.ask("ping -c 1 -W 2 -m "+bypassMark+" "+z.tailnet), soon).Should(ContainSubstring(" 0% packet loss"))
}
