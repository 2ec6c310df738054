// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// Fingerprints of testdata/keys/known.asc and stranger.asc.
const (
	knownKey    = "F676A31DBBD2B3DA6A7459F4F76C8612F673C4B4"
	strangerKey = "2CAA388EB164D642FC108B5EE6994E22FB2F2A26"
)

func installInput() Input {
	in := controlPlaneInput()
	in.BootstrapMode = BootstrapInstall
	in.Tailscale.RepositoryKeys = []string{knownKey}
	in.Packages.KubernetesKeys, in.Packages.ContainerdKeys = []string{knownKey}, []string{knownKey}
	return in
}

// fresh takes tailscale and Kubernetes away until apt-get or dnf has installed them. Each
// repository's key is known.asc.
func (n *testNode) fresh() {
	n.keys("known.asc")
	n.stub("tailscale", `[ -e "$CAPOM_ROOT/has-tailscale" ] && echo 1.102.3`)
	install := `case "$*" in *install*tailscale*) touch "$CAPOM_ROOT/has-tailscale" ;; *install*kubeadm*) touch "$CAPOM_ROOT/has-kubeadm" ;; esac`
	n.stub("apt-get", `[ "$NEEDRESTART_SUSPEND" = 1 ] || exit 1; `+install)
	n.stub("dnf", install)
	n.containerd("            SystemdCgroup = false")
}

// containerd answers as containerd 2 does: "config default" is the start of its default and a line,
// and "config dump" takes the files of conf.d over the configuration that imports them.
func (n *testNode) containerd(line string) {
	n.write("default.toml", "version = 3\nimports = []\n[plugins.'io.containerd.cri.v1.images'.pinned_images]\n  sandbox = 'registry.k8s.io/pause:3.10.1'\n"+
		"[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = ''\n"+
		"[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\n"+line+"\n", 0o644)
	n.stub("containerd", `case "$*" in
"config default") cat "$CAPOM_ROOT/default.toml" ;;
"-c "*" config dump")
	! grep -q "broken\|^disabled_plugins" "$2" || exit 0
	files=$2
	! grep -q "^imports.*conf.d" "$2" || files="$2 $(ls "${2%/*}"/conf.d/*.toml 2>/dev/null)"
	echo "[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]"
	cat $files | grep "^ *SystemdCgroup" | tail -n 1 | grep . || echo "SystemdCgroup = false" ;;
esac`)
	n.stub("kubeadm", `[ -e "$CAPOM_ROOT/has-kubeadm" ] || exit 1
case $1 in config) printf 'registry.k8s.io/kube-proxy:v1.36.1\nregistry.k8s.io/pause:3.10.2\n' ;; *) echo v1.36.1 ;; esac`)
}

// keys has curl fetch files of testdata/keys, one after the other, for any URL.
func (n *testNode) keys(names ...string) {
	var content strings.Builder
	for _, name := range names {
		key, err := os.ReadFile(filepath.Join("testdata", "keys", name))
		if err != nil {
			n.t.Fatal(err)
		}
		content.Write(key)
	}
	n.write("key", content.String(), 0o644)
	n.stub("curl", `while [ "$1" != -o ]; do shift; done; cp "$CAPOM_ROOT/key" "$2"`)
}

// keysIn are the fingerprints of the primary keys in a file.
func (n *testNode) keysIn(name string) []string {
	n.t.Helper()
	gpg := requireTool(n.t, "gpg", "gpg")
	out, err := exec.Command(gpg, "--homedir", n.t.TempDir(), "--batch", "--quiet", "--no-autostart", "--with-colons", "--show-keys",
		filepath.Join(n.root, name)).CombinedOutput()
	if err != nil {
		n.t.Fatalf("%v: %s", err, out)
	}
	var found []string
	for line := range strings.Lines(string(out)) {
		if fields := strings.Split(line, ":"); fields[0] == "fpr" {
			found = append(found, fields[9])
		}
	}
	return found
}

func TestAStockUbuntuGetsThePinnedVersions(t *testing.T) {
	requireTool(t, "gpg", "gpg")
	g := NewWithT(t)
	n := newTestNode(t, installInput())
	n.fresh()

	out, err := n.run("capom-install")

	g.Expect(err).NotTo(HaveOccurred(), out)
	calls := n.read("calls")
	g.Expect(calls).To(ContainSubstring("tailscale=1.102.3"))
	g.Expect(calls).To(ContainSubstring("containerd.io=2.2.6-*"))
	g.Expect(calls).To(ContainSubstring("kubelet=1.36.1-* kubeadm=1.36.1-* kubectl=1.36.1-*"))
	g.Expect(n.calls()).To(ContainElements("apt-mark -q hold tailscale", "apt-mark -q hold containerd.io", "apt-mark -q hold kubelet kubeadm kubectl"))
	for _, name := range []string{"tailscale", "kubernetes", "containerd"} {
		g.Expect(n.keysIn("etc/apt/keyrings/" + name + ".gpg")).To(Equal([]string{knownKey}))
	}
	g.Expect(n.read("etc/apt/sources.list.d/kubernetes.list")).To(Equal(
		"deb [signed-by=/etc/apt/keyrings/kubernetes.gpg] https://pkgs.k8s.io/core:/stable:/v1.36/deb/ /\n"))
	g.Expect(n.read("etc/apt/sources.list.d/tailscale.list")).To(Equal(
		"deb [signed-by=/etc/apt/keyrings/tailscale.gpg] https://pkgs.tailscale.com/stable/ubuntu noble main\n"))
	g.Expect(n.read("etc/containerd/config.toml")).To(And(ContainSubstring("SystemdCgroup = true"), ContainSubstring("sandbox = 'registry.k8s.io/pause:3.10.2'"),
		ContainSubstring("imports = ['/etc/containerd/conf.d/*.toml']"), ContainSubstring("config_path = '/etc/containerd/certs.d'")))
}

func TestAStockOracleLinuxGetsThePinnedVersionsAndPermissiveSELinux(t *testing.T) {
	requireTool(t, "gpg", "gpg")
	for _, release := range []string{"8.10", "9.5"} {
		t.Run(release, func(t *testing.T) {
			g := NewWithT(t)
			n := newTestNode(t, installInput())
			n.fresh()
			n.write("etc/os-release", "ID=\"ol\"\nVERSION_ID=\""+release+"\"\n", 0o644)
			n.write("etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n", 0o644)
			g.Expect(os.MkdirAll(filepath.Join(n.root, "etc/yum.repos.d"), 0o755)).To(Succeed())

			out, err := n.run("capom-install")

			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(n.read("calls")).To(ContainSubstring("dnf -q -y install --disableexcludes=kubernetes kubelet-1.36.1 kubeadm-1.36.1"))
			g.Expect(n.read("etc/yum.repos.d/tailscale.repo")).To(ContainSubstring(
				"baseurl=https://pkgs.tailscale.com/stable/oracle/" + release[:1] + "/$basearch\n"))
			g.Expect(n.read("etc/yum.repos.d/kubernetes.repo")).To(ContainSubstring("baseurl=https://pkgs.k8s.io/core:/stable:/v1.36/rpm/\n"))
			g.Expect(n.calls()).To(ContainElements("dnf -q -y install --disableexcludes=containerd containerd.io-2.2.6",
				"dnf -q -y install --disableexcludes=tailscale tailscale-1.102.3"))
			for name, held := range map[string]string{"tailscale": "tailscale", "containerd": "containerd.io", "kubernetes": "kubelet kubeadm kubectl "} {
				key := "/etc/pki/rpm-gpg/RPM-GPG-KEY-capom-" + name
				g.Expect(n.read("etc/yum.repos.d/" + name + ".repo")).To(And(
					ContainSubstring("gpgcheck=1\ngpgkey=file://"+key+"\n"), ContainSubstring("\nexclude="+held)))
				g.Expect(n.read(key)).To(HavePrefix("-----BEGIN PGP PUBLIC KEY BLOCK-----"), "rpm reads no other form")
				g.Expect(n.keysIn(key)).To(Equal([]string{knownKey}))
			}
			g.Expect(n.read("etc/selinux/config")).To(HavePrefix("SELINUX=permissive\n"))
		})
	}
}

func TestOnlyKnownKeysOfARepositoryAreTrusted(t *testing.T) {
	requireTool(t, "gpg", "gpg")
	const source = "https://pkgs.tailscale.com/stable/ubuntu/noble.noarmor.gpg"
	cases := map[string]struct {
		served []string
		reason string
	}{
		"the known key":           {served: []string{"known.asc"}},
		"another key beside it":   {served: []string{"stranger.asc", "known.asc"}},
		"another key":             {[]string{"stranger.asc"}, "the key at " + source + " is not trusted: its fingerprint is " + strangerKey + " and should be " + knownKey},
		"a page instead of a key": {[]string{"../consume.py"}, source + " holds no key"},
		"an empty answer":         {nil, source + " holds no key"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			n := newTestNode(t, installInput())
			n.fresh()
			n.keys(tc.served...)

			out, err := n.run("capom-install")

			if tc.reason == "" {
				g.Expect(err).NotTo(HaveOccurred(), out)
				g.Expect(n.keysIn("etc/apt/keyrings/tailscale.gpg")).To(Equal([]string{knownKey}))
				return
			}
			g.Expect(err).To(HaveOccurred())
			g.Expect(out).To(HaveSuffix(tc.reason+"\n"), "the last line is what the console shows")
			g.Expect(n.exists("etc/apt/keyrings/tailscale.gpg")).To(BeFalse())
			g.Expect(n.read("calls")).NotTo(ContainSubstring("install"))
		})
	}
}

func TestAKeyThatWasTrustedStaysWhenAnotherIsServed(t *testing.T) {
	requireTool(t, "gpg", "gpg")
	g := NewWithT(t)
	n := newTestNode(t, installInput())
	n.fresh()
	n.stub("apt-get", "exit 1")
	_, err := n.run("capom-install")
	g.Expect(err).To(HaveOccurred(), "the first attempt gets as far as the key")
	n.keys("stranger.asc")

	out, err := n.run("capom-install")

	g.Expect(err).To(HaveOccurred())
	g.Expect(out).To(ContainSubstring("is not trusted"))
	g.Expect(n.keysIn("etc/apt/keyrings/tailscale.gpg")).To(Equal([]string{knownKey}))
}

func TestThePublicRepositoriesKeysArePinned(t *testing.T) {
	g := NewWithT(t)
	settings := nodeSettings(controlPlaneInput().withDefaults())

	g.Expect(settings).To(And(
		HaveKeyWithValue("CAPOM_TAILSCALE_KEYS", "2596A99EAAB33821893C0A79458CA832957F5868"),
		HaveKeyWithValue("CAPOM_KUBERNETES_KEYS", "DE15B14486CD377B9E876E1A234654DA9A296436"),
		HaveKeyWithValue("CAPOM_CONTAINERD_KEYS", "9DC858229FC7DD38854AE2D88D81803C0EBFCD88 060A61C51B558A7F742B77AAC52FEB6B621E9F35")))
}

func TestWhatIsInstalledAtTheRightVersionIsLeftAlone(t *testing.T) {
	g := NewWithT(t)
	n := newTestNode(t, installInput())
	n.fresh()
	n.write("has-tailscale", "", 0o644)
	n.write("has-kubeadm", "", 0o644)

	out, err := n.run("capom-install")

	g.Expect(err).NotTo(HaveOccurred(), out)
	g.Expect(n.read("calls")).NotTo(ContainSubstring("apt-get"))
}

// tailscaleArchive is one of arm64, and its checksum.
func tailscaleArchive(t *testing.T) (archive, sum string) {
	t.Helper()
	work := t.TempDir()
	g := NewWithT(t)
	for name, content := range map[string]string{"tailscaled": "d", "tailscale": "c", "systemd/tailscaled.service": "[Unit]\n", "systemd/tailscaled.defaults": "PORT=\"41641\"\n"} {
		file := filepath.Join(work, "tailscale_1.102.3_arm64", name)
		g.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
		g.Expect(os.WriteFile(file, []byte(content), 0o755)).To(Succeed())
	}
	archive = filepath.Join(work, "archive.tgz")
	out, err := exec.Command("tar", "-czf", archive, "-C", work, "tailscale_1.102.3_arm64").CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(out))
	content, err := os.ReadFile(archive)
	g.Expect(err).NotTo(HaveOccurred())
	digest := sha256.Sum256(content)
	return archive, hex.EncodeToString(digest[:])
}

func archiveInput(sum string) Input {
	in := controlPlaneInput()
	in.Tailscale = Tailscale{Source: TailscaleArchive, Version: "1.102.3", Archives: map[string]Archive{
		"arm64": {URL: "https://mirror.example/tailscale.tgz", SHA256: sum},
	}}
	return in
}

// What is taken for the user's later on must be ours as a whole, or not there.
func TestAFileThatADiskHasNoRoomForIsNotTakenForTheUsers(t *testing.T) {
	requireTool(t, "gpg", "gpg")
	archive, sum := tailscaleArchive(t)
	const oracle = "ID=ol\nVERSION_ID=9.5\n"
	for file, tc := range map[string]struct {
		in            Input
		release, want string
	}{
		"etc/apt/sources.list.d/kubernetes.list":       {installInput(), "", "deb "},
		"etc/apt/keyrings/kubernetes.gpg":              {installInput(), "", ""},
		"etc/yum.repos.d/kubernetes.repo":              {installInput(), oracle, "[kubernetes]"},
		"etc/pki/rpm-gpg/RPM-GPG-KEY-capom-kubernetes": {installInput(), oracle, "-----BEGIN PGP PUBLIC KEY BLOCK-----"},
		"etc/containerd/config.toml":                   {installInput(), "", "version = 3"},
		"etc/systemd/system/tailscaled.service":        {archiveInput(sum), "", "[Unit]"},
		"etc/default/tailscaled":                       {archiveInput(sum), "", "PORT="},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			n := newTestNode(t, tc.in)
			n.fresh()
			if tc.in.Tailscale.Source == TailscaleArchive {
				n.stub("curl", `while [ "$1" != -o ]; do shift; done; cp `+archive+` "$2"`)
			}
			if tc.release != "" {
				n.write("etc/os-release", tc.release, 0o644)
				g.Expect(os.MkdirAll(filepath.Join(n.root, "etc/yum.repos.d"), 0o755)).To(Succeed())
			}
			n.write("stubs/sync", stubScript, 0o755)
			n.stub("sync", `[ -e "$CAPOM_ROOT/room" ] || [ "$1" != "$CAPOM_ROOT/`+file+`.new" ]`)

			out, err := n.run("capom-install")
			g.Expect(err).To(HaveOccurred(), out)
			g.Expect(n.exists(file)).To(BeFalse())
			n.write("room", "", 0o644)
			out, err = n.run("capom-install")

			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(n.read(file)).To(And(Not(BeEmpty()), HavePrefix(tc.want)))
		})
	}
}

func TestAnArchiveIsUnpackedOnlyIfItsChecksumIsRight(t *testing.T) {
	archive, sum := tailscaleArchive(t)
	cases := map[string]struct {
		sum       string
		installed bool
	}{
		"right": {sum, true},
		"wrong": {strings.Repeat("0", 64), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			n := newTestNode(t, archiveInput(tc.sum))
			n.fresh()
			n.write("etc/systemd/system/tailscaled.service", "# of the user\n", 0o644)
			n.stub("curl", `while [ "$1" != -o ]; do shift; done; cp `+archive+` "$2"`)

			out, err := n.run("capom-install")
			if err == nil {
				out, err = n.run("capom-install")
			}

			g.Expect(err == nil).To(Equal(tc.installed), out)
			g.Expect(n.exists("usr/sbin/tailscaled")).To(Equal(tc.installed))
			g.Expect(strings.Count(n.read("calls"), "https://mirror.example/tailscale.tgz")).To(Equal(1), "it is fetched once")
			g.Expect(n.read("etc/systemd/system/tailscaled.service")).To(Equal("# of the user\n"))
			g.Expect(n.exists("etc/default/tailscaled")).To(Equal(tc.installed))
			if !tc.installed {
				g.Expect(out).To(ContainSubstring("does not have the SHA-256 sum"))
			}
		})
	}
}

func TestInstallingSaysWhyItCannot(t *testing.T) {
	cases := map[string]struct {
		in     func(*Input)
		node   func(*testNode)
		reason string
	}{
		"another operating system": {
			node:   func(n *testNode) { n.write("etc/os-release", "ID=gentoo\n", 0o644) },
			reason: "the operating system gentoo is not supported",
		},
		"another architecture": {
			node:   func(n *testNode) { n.stub("uname", "echo riscv64") },
			reason: "machines of type riscv64 are not supported",
		},
		"kubeadm missing from the image": {
			node:   func(n *testNode) { _ = os.Remove(filepath.Join(n.stubs, "kubeadm")) },
			reason: "kubeadm is not in the image",
		},
		"tailscale missing from the image": {
			in:     func(in *Input) { in.Tailscale = Tailscale{Source: TailscaleImage} },
			node:   func(n *testNode) { _ = os.Remove(filepath.Join(n.stubs, "tailscaled")) },
			reason: "tailscale is not in the image",
		},
		"unreachable repository": {
			in:     func(in *Input) { in.Tailscale.Version = "1.104.0" },
			node:   func(n *testNode) { n.stub("curl", "exit 6") },
			reason: "https://pkgs.tailscale.com/stable/ubuntu/noble.noarmor.gpg cannot be fetched",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			in := controlPlaneInput()
			if tc.in != nil {
				tc.in(&in)
			}
			n := newTestNode(t, in)
			tc.node(n)

			out, err := n.run("capom-install")

			g.Expect(err).To(HaveOccurred())
			g.Expect(out).To(ContainSubstring(tc.reason))
		})
	}
}
