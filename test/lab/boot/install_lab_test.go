// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build lab

package boot_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	bootstrapv1 "sigs.k8s.io/cluster-api/api/bootstrap/kubeadm/v1beta2"
	kubeadmcloudinit "sigs.k8s.io/cluster-api/bootstrap/kubeadm/pkg/cloudinit"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
)

// tailscaleVersion is the lab's, as packaged by the mirror.
func tailscaleVersion() string { return clouds.Programs.Assets.TailscaleVersion() }

// mirrorConfig is a user's configuration of containerd, with registries and nothing else. The lab's
// package has a file in conf.d with SystemdCgroup = false.
const mirrorConfig = `version = 3
[plugins."io.containerd.cri.v1.images".registry]
  config_path = "/etc/containerd/certs.d"
`

func TestAStockImageInstallsTheAskedVersionsFromRepositories(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := input("stock-1", workerData(func(in *kubeadmcloudinit.NodeInput) {
		in.AdditionalFiles = []bootstrapv1.File{{Path: "/etc/containerd/config.toml", Content: mirrorConfig}}
	}))
	in.BootstrapMode, in.KubernetesVersion = cloudinit.BootstrapInstall, kit.OldVersion
	in.Tailscale = cloudinit.Tailscale{Source: cloudinit.TailscalePackage, Version: tailscaleVersion()}
	b.fromMirror(&in)

	s := b.boot(world.SoloOptions{Account: alpha, Input: in, Files: files()})

	s.joined()
	s.hasKubernetes(kit.OldVersion)
	b.Expect(s.sh("grep -v ^imports /etc/containerd/config.toml")).To(Equal(strings.TrimSpace(mirrorConfig)), "the user's file is kept")
	b.Expect(s.sh("containerd config dump 2>/dev/null")).To(ContainSubstring("config_path = '/etc/containerd/certs.d'"))
	s.console(soon, "capom: SystemdCgroup = false is kept: kubelet needs cgroupDriver cgroupfs")
	b.Expect(s.sh("apt-mark showhold")).To(Equal("containerd.io\nkubeadm\nkubectl\nkubelet\ntailscale"))
	b.Expect(s.sh("dpkg-query -W -f '${Version}' tailscale")).To(Equal(tailscaleVersion()))
	b.Expect(s.sh("tailscale version | head -n 1")).To(Equal(tailscaleVersion()))

	b.Expect(s.sh("apt-get -q -y upgrade >/dev/null; kubelet --version")).To(Equal("Kubernetes "+kit.OldVersion), "an upgrade of all packages leaves it")
}

// fromMirror trusts the key of the lab's mirror, and asks for its version of containerd.
func (b *bench) fromMirror(in *cloudinit.Input) {
	b.t.Helper()
	key := filepath.Join(clouds.Programs.Mirror, "pkgs.tailscale.com/stable/debian/bookworm.noarmor.gpg")
	out, err := exec.CommandContext(b.t.Context(), "gpg", "--homedir", b.t.TempDir(), "--batch", "--quiet", "--with-colons", "--show-keys", key).Output()
	b.Expect(err).NotTo(HaveOccurred())
	fingerprint := regexp.MustCompile(`(?m)^fpr:+([0-9A-F]{40}):`).FindStringSubmatch(string(out))
	b.Expect(fingerprint).NotTo(BeNil(), string(out))
	keys := fingerprint[1:]
	packages, err := filepath.Glob(filepath.Join(clouds.Programs.Mirror, "download.docker.com/linux/debian/dists/bookworm/pool/stable/amd64/containerd.io_*.deb"))
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(packages).To(HaveLen(1))
	version, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(packages[0]), "containerd.io_"), "-")
	in.Tailscale.RepositoryKeys = keys
	in.Packages = cloudinit.Packages{KubernetesKeys: keys, ContainerdKeys: keys, ContainerdVersion: version}
}

func TestARepositoryWithAKeyThatIsNotKnownIsNotTrusted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := input("stranger-1", workerData(nil))
	in.Tailscale = cloudinit.Tailscale{Source: cloudinit.TailscalePackage, Version: tailscaleVersion()}
	in.BootstrapMode, in.KubernetesVersion = cloudinit.BootstrapInstall, kit.OldVersion

	s := b.boot(world.SoloOptions{Account: alpha, Input: in, Files: files()})

	s.consoleMatches(booted, `capom: Installing packages failed \(attempt \d+\): the key at https://pkgs\.tailscale\.com/\S+ is not trusted: its fingerprint is [0-9A-F]{40} and should be 2596A99E`)
	b.Expect(s.try("test -e /etc/apt/keyrings/tailscale.gpg")).To(BeFalse())
	b.Expect(s.try("command -v tailscaled")).To(BeFalse())
	b.Expect(s.kubeadmRan()).To(BeFalse())
}

// hasKubernetes looks for a node's programs of a version.
func (s *solo) hasKubernetes(version string) {
	s.bench.t.Helper()
	b := s.bench
	b.Expect(s.sh("kubelet --version")).To(Equal("Kubernetes " + version))
	b.Expect(s.sh("/usr/bin/kubeadm version -o short")).To(Equal(version))
	for _, unit := range []string{"kubelet", "containerd", "tailscaled", "capom-join", "capom-guard"} {
		b.Expect(s.sh("systemctl is-enabled "+unit+".service")).To(Equal("enabled"), unit)
	}
	b.Eventually(s.ask("systemctl is-active containerd.service"), soon).Should(Equal("active"))
	b.Expect(s.sh("ctr version | grep -c Version:")).To(Equal("2"), "client and server answer")
	b.Expect(s.sh("ctr plugins ls | awk '$1 ~ /cri/ {print $1, $2, $NF}'")).To(ContainSubstring("ok"))
	b.Expect(s.sh("ctr plugins ls | awk '$2 == \"cri\" && $NF != \"ok\"'")).To(BeEmpty(), "Docker's package switches CRI off, which the node needs")
}

func TestAnArchiveWithAWrongChecksumIsRefusedUntilItIsRight(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	archive := b.archive()
	sum := sha256.Sum256(archive)
	var repaired atomic.Bool
	address := b.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		content := archive
		if !repaired.Load() {
			content = append([]byte("damaged"), archive...)
		}
		_, _ = w.Write(content)
	}))
	in := input("archive-1", workerData(nil))
	in.BootstrapMode, in.KubernetesVersion = cloudinit.BootstrapInstall, kit.NewVersion
	in.Tailscale = cloudinit.Tailscale{Source: cloudinit.TailscaleArchive, Version: tailscaleVersion(), Archives: map[string]cloudinit.Archive{
		"amd64": {URL: "http://" + address + "/tailscale.tgz", SHA256: hex.EncodeToString(sum[:])}}}
	b.fromMirror(&in)

	s := b.boot(world.SoloOptions{Account: bravo, Input: in, Files: files()})

	s.consoleMatches(booted, `capom: Installing packages failed \(attempt \d+\): http://`+regexp.QuoteMeta(address)+`/tailscale\.tgz does not have the SHA-256 sum `+
		hex.EncodeToString(sum[:])+`\. kubeadm does not run before this succeeds`)
	b.Expect(s.try("test -e /usr/sbin/tailscaled")).To(BeFalse())
	b.Expect(s.kubeadmRan()).To(BeFalse())

	repaired.Store(true)

	s.joined()
	s.hasKubernetes(kit.NewVersion)
	b.Expect(s.sh("tailscale version | head -n 1")).To(Equal(tailscaleVersion()))
}

// archive is laid out as Tailscale's own.
func (b *bench) archive() []byte {
	b.t.Helper()
	a := clouds.Programs.Assets
	image := a.Preinstalled[kit.NewVersion]
	dir := b.t.TempDir()
	top := "tailscale_" + tailscaleVersion() + "_amd64"
	for path, source := range map[string]string{
		"tailscale": a.Tailscale, "tailscaled": a.Tailscaled, "systemd/tailscaled.service": image + "/etc/systemd/system/tailscaled.service",
		"systemd/tailscaled.defaults": image + "/etc/default/tailscaled",
	} {
		out, err := exec.CommandContext(b.t.Context(), "install", "-D", source, filepath.Join(dir, top, path)).CombinedOutput()
		b.Expect(err).NotTo(HaveOccurred(), string(out))
	}
	out, err := exec.CommandContext(b.t.Context(), "tar", "-C", dir, "-I", "gzip -1", "-cf", filepath.Join(dir, "archive.tgz"), top).CombinedOutput()
	b.Expect(err).NotTo(HaveOccurred(), string(out))
	content, err := os.ReadFile(filepath.Join(dir, "archive.tgz"))
	b.Expect(err).NotTo(HaveOccurred())
	return content
}

// serve is a web server on the lab's Internet; it returns its address and port.
func (b *bench) serve(handler http.Handler) string {
	b.t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(b.t.Context(), "tcp", network.MirrorAddress+":0")
	b.Expect(err).NotTo(HaveOccurred())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	b.t.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}
