// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package boot_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
)

// gate is cloud-init's script for running kubeadm.
const gate = "/var/lib/cloud/instance/scripts/runcmd"

func TestKubeadmWaitsForTheCoordinationServerAndRunsWhenItReturns(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.block(blockedAtFirst, true)
	in := input("waiting-1", workerData(nil))
	in.Tailnet.JoinTimeout = 5 * time.Second

	s := b.boot(world.SoloOptions{Account: blockedAtFirst, Input: in, Files: files()})

	s.consoleMatches(booted, `capom: Joining the tailnet failed \(attempt \d+\): tailscale up: `)
	s.console(soon, "kubeadm does not run before this succeeds; next try in 5s")
	s.console(soon, "capom: Joining the tailnet failed (attempt 2): ")
	b.Expect(s.kubeadmRan()).To(BeFalse())
	b.Expect(s.sh("stat -c %a " + gate)).To(Equal("600"))
	_, err := s.Device(b.t.Context())
	b.Expect(err).To(MatchError(tailnetsim.ErrNoDevice))

	b.block(blockedAtFirst, false)

	s.joined()
	device, err := s.Device(b.t.Context())
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(device.Tags).To(ConsistOf(nodeTag))
	b.Expect(device.Authorized).To(BeTrue())
	found := s.sh("cat " + record)
	b.Expect(found).To(ContainSubstring("inet "+device.IPv4.String()+"/32"), "the address is there when kubeadm runs")
	b.Expect(found).NotTo(ContainSubstring("auth-key"), "the key is gone when kubeadm runs")
	s.console(soon, "capom: the machine is on the tailnet as "+device.IPv4.String()+"; kubeadm may run")
	s.keyIsOnlyInTheUserData()
}

// keyIsOnlyInTheUserData looks for the key in every file of the machine.
func (s *solo) keyIsOnlyInTheUserData() {
	s.bench.t.Helper()
	g := s.bench
	g.Expect(s.sh("ls -A /run/capom/join")).To(BeEmpty())
	console, err := s.Console()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(console).NotTo(ContainSubstring(s.Key))
	carriers := s.sh("grep -rlsF '" + s.Key + "' / --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev | sort")
	for file := range strings.Lines(carriers) {
		file = strings.TrimSpace(file)
		g.Expect(file).To(HavePrefix("/var/lib/cloud/instances/"+s.ID+"/"), "only cloud-init's own copies")
		g.Expect(s.sh("stat -c '%U %a' "+file)).To(MatchRegexp("^root [467]00$"), file)
	}
	g.Expect(carriers).To(ContainSubstring("/scripts/00-capom-node"))
}

func TestARefusedKeyKeepsKubeadmFromRunningAndTheConsoleSaysWhy(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := input("refused-1", workerData(nil))
	unknown := "hskey-auth-" + strings.Repeat("a", 12) + "-" + strings.Repeat("b", 64)
	in.Tailnet.AuthKey, in.Tailnet.JoinTimeout = cloudinit.Secret(unknown), 5*time.Second
	used, expired, revoked := b.used(), b.expired(), b.revoked()

	s := b.boot(world.SoloOptions{Account: alpha, Input: in, Files: files("CAPOM_BACKOFF_MAX=5")})

	s.refused("", "auth-key not found")
	s.refused(used, "authkey already used")
	s.refused(expired, "authkey expired")
	s.refused(revoked, "authkey revoked")
	for _, key := range []string{unknown, used, expired, revoked} {
		console, err := s.Console()
		b.Expect(err).NotTo(HaveOccurred())
		b.Expect(console).NotTo(ContainSubstring(key))
	}

	fresh, err := clouds.CreateKey(b.t.Context(), time.Hour, nodeTag)
	b.Expect(err).NotTo(HaveOccurred())
	s.giveKey(fresh.Key)

	s.joined()
}

// refused waits until the machine's key, or another in its place, has been refused.
func (s *solo) refused(key, reason string) {
	s.bench.t.Helper()
	g := s.bench
	if key != "" {
		s.giveKey(key)
	}
	s.consoleMatches(booted, `capom: Joining the tailnet failed \(attempt \d+\): tailscale up: .*`+reason+`.*next try in \d+s`)
	g.Expect(s.kubeadmRan()).To(BeFalse())
	g.Expect(s.sh("stat -c %a " + gate)).To(Equal("600"))
	g.Eventually(s.ask("tailscale status --json --peers=false"), soon).Should(ContainSubstring(`"BackendState": "NeedsLogin"`))
	_, err := s.Device(g.t.Context())
	g.Expect(errors.Is(err, tailnetsim.ErrNoDevice)).To(BeTrue(), "%v", err)
}

// giveKey puts a key in the place of the user data's.
func (s *solo) giveKey(key string) {
	s.bench.t.Helper()
	s.sh(fmt.Sprintf("printf %%s '%s' | base64 -d >/run/capom/join/auth-key", base64.StdEncoding.EncodeToString([]byte(key))))
}

func (b *bench) used() string {
	key, err := clouds.CreateKey(b.t.Context(), time.Hour, nodeTag)
	b.Expect(err).NotTo(HaveOccurred())
	_, err = clouds.Tailnet.Register(b.t.Context(), key.Key, "somebody-else")
	b.Expect(err).NotTo(HaveOccurred())
	return key.Key
}

func (b *bench) expired() string {
	key, err := clouds.CreateKey(b.t.Context(), time.Second, nodeTag)
	b.Expect(err).NotTo(HaveOccurred())
	return key.Key
}

func (b *bench) revoked() string {
	key, err := clouds.CreateKey(b.t.Context(), time.Hour, nodeTag)
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(clouds.DeleteKey(b.t.Context(), key.ID)).To(Succeed())
	return key.Key
}

func TestAMachineRebootedBeforeItJoinedSaysThatItMustBeReplaced(t *testing.T) {
	t.Parallel()
	withKey := input("keyless-1", workerData(nil))
	withKey.Tailnet.AuthKey = cloudinit.Secret("hskey-auth-" + strings.Repeat("c", 12) + "-" + strings.Repeat("d", 64))
	withKey.Tailnet.JoinTimeout = 5 * time.Second
	withoutPackages := input("keyless-2", workerData(nil))
	withoutPackages.BootstrapMode, withoutPackages.KubernetesVersion = cloudinit.BootstrapInstall, kit.NewVersion
	withoutPackages.Tailscale = cloudinit.Tailscale{Source: cloudinit.TailscalePackage, Version: "1.0.0"}
	newBench(t).fromMirror(&withoutPackages)
	for name, c := range map[string]struct {
		input           cloudinit.Input
		first, rebooted string
	}{
		"while its key is refused":     {withKey, "auth-key not found", "no auth key is left: replace the machine"},
		"while packages are installed": {withoutPackages, "tailscale 1.0.0 cannot be installed from", "the machine was rebooted before tailscale was installed: replace the machine"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			s := b.boot(world.SoloOptions{Account: alpha, Input: c.input, Files: files()})
			s.console(booted, c.first)

			b.Expect(s.Machine().Kill()).To(Succeed())
			b.Expect(s.Machine().Boot(b.t.Context())).To(Succeed())

			s.console(booted, c.rebooted)
			b.Expect(s.kubeadmRan()).To(BeFalse())
			_, err := s.Device(b.t.Context())
			b.Expect(err).To(MatchError(tailnetsim.ErrNoDevice))
		})
	}
}
