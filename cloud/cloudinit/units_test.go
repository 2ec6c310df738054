// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// unitsDir is the folder of units, below that of any agent.
const unitsDir = "*/etc/systemd/system/"

// directives are the lines of a unit file.
func directives(t *testing.T, name string) []string {
	t.Helper()
	found, err := fs.Glob(nodeFiles, unitsDir+name)
	if err != nil || len(found) != 1 {
		t.Fatal(name, found, err)
	}
	content, err := nodeFiles.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(content), "\n")
}

// systemd's DefaultEnvironment may name a proxy, for packages.
func TestNothingButPackagesIsAskedForByWayOfAProxy(t *testing.T) {
	g := NewWithT(t)
	all, err := scripts()
	g.Expect(err).NotTo(HaveOccurred())
	found := 0
	for _, files := range all {
		for _, f := range files {
			for line := range strings.Lines(string(f.content)) {
				if !strings.Contains(line, "curl -") || strings.Contains(line, `-o "$2" "$1"`) {
					continue
				}
				found++
				g.Expect(line).To(ContainSubstring("--noproxy '*'"), f.path)
			}
		}
	}
	g.Expect(found).To(BeNumerically(">=", 3), "the calls are not found")
}

func TestKubeletDoesNotRunWithoutTheGuard(t *testing.T) {
	g := NewWithT(t)
	kubelet, guard := directives(t, "kubelet.service.d/20-capom.conf"), directives(t, "capom-guard.service")

	g.Expect(kubelet).To(ContainElement("Requires=capom-guard.service"))
	g.Expect(slices.ContainsFunc(kubelet, func(line string) bool {
		return strings.HasPrefix(line, "After=") && strings.Contains(line, "capom-guard.service")
	})).To(BeTrue())
	// systemd does not restart a unit after a failed requirement, and stops it with its
	// requirement.
	g.Expect(guard).To(ContainElements("ExecStartPre=/usr/local/sbin/capom-guard first", "TimeoutStartSec=infinity", "Restart=always", "StartLimitIntervalSec=0"))
	g.Expect(strings.Join(guard, "\n")).NotTo(ContainSubstring("PartOf="), "a restart of tailscaled would restart kubelet, a stop would stop it for good")
	g.Expect(directives(t, "tailscaled.service.d/20-capom.conf")).To(ContainElement("ExecStartPost=-/usr/local/sbin/capom-guard again"))
}

func TestTheTailnetsInterfaceOutlivesTailscaled(t *testing.T) {
	var before []string
	for _, line := range directives(t, "tailscaled.service.d/20-capom.conf") {
		if strings.HasPrefix(line, "ExecStartPre=") {
			before = append(before, line)
		}
	}
	// It is there already at each start but the first, and no failure of either may keep tailscaled
	// from starting.
	NewWithT(t).Expect(before).To(Equal([]string{
		"ExecStartPre=-/sbin/ip tuntap add dev tailscale0 mode tun",
		"ExecStartPre=-/sbin/ip address flush dev tailscale0",
	}))
}

// unconfined are the services without the sandbox of the others, with reasons.
var unconfined = map[string]string{
	"capom-update.service": "it installs packages and restarts services: a sandbox could keep little from it",
}

func TestOurServicesMayDoWhatTheyNeedAndNoMore(t *testing.T) {
	needs := map[string]string{
		"capom-guard.service":   "CAP_NET_ADMIN",
		"capom-routes.service":  "CAP_NET_ADMIN",
		"capom-members.service": "CAP_NET_ADMIN",
		"capom-join.service":    "",
	}
	files, err := fs.Glob(nodeFiles, unitsDir+"*.service")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	units := make([]string, 0, len(files))
	for _, file := range files {
		units = append(units, path.Base(file))
	}
	NewWithT(t).Expect(units).To(ConsistOf(slices.AppendSeq(slices.Collect(maps.Keys(needs)), maps.Keys(unconfined))),
		"say in needs which capabilities a service has, or in unconfined why it has no sandbox")
	for name, capabilities := range needs {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(directives(t, name)).To(ContainElements("CapabilityBoundingSet="+capabilities, "NoNewPrivileges=yes", "ProtectSystem=strict",
				"ProtectHome=yes", "PrivateTmp=yes", "ProtectControlGroups=yes", "ProtectKernelModules=yes", "RestrictNamespaces=yes",
				"RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK", "SystemCallFilter=@system-service", "SystemCallErrorNumber=ENOSYS",
				"RuntimeDirectory=capom", "RuntimeDirectoryMode=0700", "RuntimeDirectoryPreserve=yes"))
		})
	}
}

func TestWhateverStartsKubeletStartsTheAgentAndNothingStopsWithIt(t *testing.T) {
	g := NewWithT(t)
	dropin, err := nodeFiles.ReadFile("agent/etc/systemd/system/kubelet.service.d/30-capom-update.conf")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.Split(string(dropin), "\n")).To(And(ContainElement("Wants=capom-update.service"), Not(ContainElement(HavePrefix("Requires=")))))
	unit, err := nodeFiles.ReadFile("agent/etc/systemd/system/capom-update.service")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.Split(string(unit), "\n")).To(ContainElements("ExecStart=/usr/local/sbin/capom-update run", "Restart=always"))
}
