// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloudinit

import (
	"maps"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const (
	containerdConfig = "etc/containerd/config.toml"
	containerdDropIn = "etc/containerd/conf.d/90-capom.toml"
)

const (
	registryMirror = "version = 3\n[plugins.\"io.containerd.cri.v1.images\".registry]\n  config_path = \"/etc/containerd/certs.d\"\n"
	runcOptions    = "[plugins.\"io.containerd.cri.v1.runtime\".containerd.runtimes.runc.options]\n"
	oldMirrors     = "version = 3\n[plugins.\"io.containerd.cri.v1.images\".registry.mirrors.\"docker.io\"]\n  endpoint = [\"https://mirror.example\"]\n"
	dropInImports  = "imports = ['/etc/containerd/conf.d/*.toml']\n"
)

func importing(files string) string {
	return strings.Replace(registryMirror, "\n", "\nimports = ["+files+"]\n", 1)
}

var containerdConfigs = map[string]struct {
	files map[string]string
	// config is the configuration's content afterwards; empty means that it has systemd's
	// groups.
	config    string
	completed bool
	says      string
	fails     bool
}{
	"a mirror and systemd's groups": {
		files:  map[string]string{containerdConfig: registryMirror + runcOptions + "  SystemdCgroup = true\n"},
		config: registryMirror + runcOptions + "  SystemdCgroup = true\n",
	},
	"a mirror alone": {
		files:  map[string]string{containerdConfig: registryMirror},
		config: dropInImports + registryMirror, completed: true,
	},
	"version 2": {
		files:  map[string]string{containerdConfig: strings.ReplaceAll(registryMirror, "version = 3", "version = 2")},
		config: dropInImports + strings.ReplaceAll(registryMirror, "version = 3", "version = 2"), completed: true,
	},
	"with imports of its own": {
		files:  map[string]string{containerdConfig: dropInImports + registryMirror},
		config: dropInImports + registryMirror, completed: true,
	},
	"with imports of other files": {
		files:  map[string]string{containerdConfig: importing(`"/etc/containerd/runtime_*.toml"`)},
		config: importing(`'/etc/containerd/conf.d/*.toml', "/etc/containerd/runtime_*.toml"`), completed: true,
	},
	"with imports of nothing": {
		files:  map[string]string{containerdConfig: importing("")},
		config: importing("'/etc/containerd/conf.d/*.toml', "), completed: true,
	},
	"groups by a file that it imports": {
		files:  map[string]string{containerdConfig: dropInImports + registryMirror, "etc/containerd/conf.d/mine.toml": "version = 3\n" + runcOptions + "SystemdCgroup = true\n"},
		config: dropInImports + registryMirror,
	},
	"groups of cgroupfs": {
		files:  map[string]string{containerdConfig: registryMirror + runcOptions + "  SystemdCgroup = false\n"},
		config: registryMirror + runcOptions + "  SystemdCgroup = false\n", says: "SystemdCgroup = false is kept",
	},
	"what the package brings": {files: map[string]string{containerdConfig: "# Copyright\n\ndisabled_plugins = [\"cri\"]\n#root = \"/var/lib/containerd\"\n"}},
	"nothing":                 {},
	"hosts alone":             {files: map[string]string{"etc/containerd/certs.d/registry.example/hosts.toml": "server = \"https://mirror.example\"\n"}},
	"mirrors of the old form": {files: map[string]string{"etc/containerd/conf.d/mine.toml": oldMirrors}},
	"CRI switched off": {
		files:  map[string]string{containerdConfig: registryMirror + "disabled_plugins = [\"cri\"]\n"},
		config: registryMirror + "disabled_plugins = [\"cri\"]\n", says: "or CRI is switched off there", fails: true,
	},
	"what containerd cannot read": {
		files:  map[string]string{containerdConfig: "broken\n"},
		config: "broken\n", says: "containerd cannot read", fails: true,
	},
}

func TestContainerdsConfigurationOfAUserIsKeptAndCompleted(t *testing.T) {
	for name, tc := range containerdConfigs {
		t.Run(name, func(t *testing.T) {
			requireTool(t, "gpg", "gpg")
			g := NewWithT(t)
			n := newTestNode(t, installInput())
			n.fresh()
			for file, content := range tc.files {
				n.write(file, content, 0o644)
			}

			out, err := n.run("capom-install")
			if !tc.fails {
				g.Expect(err).NotTo(HaveOccurred(), out)
				out, err = n.run("capom-install")
			}

			g.Expect(err != nil).To(Equal(tc.fails), out)
			g.Expect(out).To(ContainSubstring(tc.says))
			if tc.config != "" {
				g.Expect(n.read(containerdConfig)).To(Equal(tc.config))
			} else {
				g.Expect(n.read(containerdConfig)).To(ContainSubstring("SystemdCgroup = true"))
				// Folders may come later, but containerd takes no other mirrors beside.
				g.Expect(strings.Contains(n.read(containerdConfig), "config_path = '/etc/containerd/certs.d'")).To(Equal(name != "mirrors of the old form"))
			}
			g.Expect(n.exists(containerdDropIn)).To(Equal(tc.completed))
			if tc.completed {
				version, _, _ := strings.Cut(strings.TrimPrefix(tc.config, dropInImports), "\n")
				g.Expect(n.read(containerdDropIn)).To(HavePrefix(version+"\n"), "containerd 2.2 drops a file of another version")
			}
			for file, content := range tc.files {
				if file != containerdConfig {
					g.Expect(n.read(file)).To(Equal(content), file)
				}
			}
		})
	}
}

func TestSystemdsGroupsAreSetWhateverContainerdsDefaultPrints(t *testing.T) {
	requireTool(t, "gpg", "gpg")
	for _, line := range []string{"            SystemdCgroup = false", "            SystemdCgroup = true", "            BinaryName = ''"} {
		t.Run(strings.TrimSpace(line), func(t *testing.T) {
			g := NewWithT(t)
			n := newTestNode(t, installInput())
			n.fresh()
			n.containerd(line)

			out, err := n.run("capom-install")

			g.Expect(err).NotTo(HaveOccurred(), out)
			g.Expect(n.read(containerdConfig) + n.read(containerdDropIn)).To(ContainSubstring("SystemdCgroup = true"))
			g.Expect(n.exists(containerdDropIn)).To(Equal(strings.Contains(line, "BinaryName")))
		})
	}
}

// usersFiles are files that users of the field write with KubeadmConfig's files, and that lie where
// the node's scripts write as well, or beside it.
var usersFiles = []string{
	"etc/apt/sources.list.d/tailscale.list", "etc/apt/sources.list.d/kubernetes.list", "etc/apt/sources.list.d/containerd.list",
	"etc/yum.repos.d/tailscale.repo", "etc/yum.repos.d/kubernetes.repo", "etc/yum.repos.d/containerd.repo",
	"etc/sysctl.d/99-kubernetes.conf", "etc/modules-load.d/k8s.conf", "etc/crictl.yaml", "etc/default/kubelet", "etc/sysconfig/kubelet",
	"etc/default/tailscaled", "etc/systemd/system/tailscaled.service", "etc/systemd/system/containerd.service.d/proxy.conf",
	"etc/systemd/system/kubelet.service.d/10-kubeadm.conf", "etc/containerd/certs.d/docker.io/hosts.toml", "etc/containerd/conf.d/mine.toml",
	"etc/NetworkManager/conf.d/mine.conf", "etc/systemd/networkd.conf.d/mine.conf",
}

func TestWhatAUserWroteIsKept(t *testing.T) {
	requireTool(t, "gpg", "gpg")
	for system, release := range map[string]string{
		"Ubuntu": "ID=ubuntu\nVERSION_CODENAME=noble\nVERSION_ID=24.04\n", "Oracle Linux": "ID=\"ol\"\nVERSION_ID=\"9.5\"\n",
	} {
		t.Run(system, func(t *testing.T) {
			g := NewWithT(t)
			n := newTestNode(t, installInput())
			n.fresh()
			n.write("etc/os-release", release, 0o644)
			const written = "# of the user\n"
			for _, file := range usersFiles {
				n.write(file, written, 0o640)
			}

			for _, script := range []string{"capom-host", "capom-volumes", "capom-install", "capom-guard once"} {
				words := strings.Fields(script)
				out, err := n.run(words[0], words[1:]...)
				g.Expect(err).NotTo(HaveOccurred(), script+": "+out)
			}

			for _, file := range usersFiles {
				g.Expect(n.read(file)).To(Equal(written), file)
			}
		})
	}
}

func TestOurOwnFilesAreNamedAfterUs(t *testing.T) {
	g := NewWithT(t)
	all, err := scripts()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(all).To(HaveLen(len(roots)))
	for _, files := range all {
		for _, f := range files {
			g.Expect(f.path).To(ContainSubstring("capom"), "a user's file could lie there")
		}
	}
}

func TestEveryFileHasItsPlaceInTheScript(t *testing.T) {
	g := NewWithT(t)
	all, err := scripts()
	g.Expect(err).NotTo(HaveOccurred())
	var paths []string
	for _, f := range append(slices.Concat(slices.Collect(maps.Values(all))...), machineFiles(controlPlaneInput())...) {
		paths = append(paths, f.path)
	}
	g.Expect(fileOrder).To(ConsistOf(paths))
}
