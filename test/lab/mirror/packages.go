// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package mirror

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const architecture = "amd64"

// debian is a Debian package.
type debian struct {
	name, version, depends, description string
	// programs are executables on this host, texts the content of other files; both
	// by path in the package, without the leading slash.
	programs map[string]string
	texts    map[string][]byte
	// unit is a service enabled and started by the package's installation.
	unit string
}

// startUnit is debhelper's script for packages with a service.
//
//nolint:dupword // The shell ends two ifs.
const startUnit = `#!/bin/sh
set -e
if [ "$1" = configure ]; then
	deb-systemd-helper enable %[1]s >/dev/null
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload
		deb-systemd-invoke restart %[1]s
	fi
fi
`

const kubeletUnit = `[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
`

const kubeadmDropIn = `[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
`

// containerdConfig is the configuration in Docker's package: no CRI, for Docker needs none.
const containerdConfig = "disabled_plugins = [\"cri\"]\n"

// labConfig is read in addition to any configuration of a machine.
const labConfig = `version = 3

[plugins.'io.containerd.cri.v1.runtime']
  # The lab's host may withhold CAP_SYS_RESOURCE.
  restrict_oom_score_adj = true
  # With cgroup v1 systemd cannot delegate a slice to the machine's container manager.
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
    SystemdCgroup = false
`

// kubernetes are the packages of pkgs.k8s.io for one version, for example "v1.37.2".
func (b *builder) kubernetes(version string) []debian {
	plain := strings.TrimPrefix(version, "v")
	program := func(name string) map[string]string {
		return map[string]string{"usr/bin/" + name: b.programs[name+"@"+version]}
	}
	return []debian{
		{
			name: "kubelet", version: plain + "-1.1", description: "Node agent for Kubernetes clusters", programs: program("kubelet"),
			depends: "iptables, kubernetes-cni, iproute2, mount, util-linux",
			texts:   map[string][]byte{"usr/lib/systemd/system/kubelet.service": []byte(kubeletUnit)},
		},
		{
			name: "kubeadm", version: plain + "-1.1", description: "Command-line utility for administering a Kubernetes cluster",
			programs: program("kubeadm"), texts: map[string][]byte{"usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": []byte(kubeadmDropIn)},
		},
		{name: "kubectl", version: plain + "-1.1", description: "Command-line utility for interacting with a Kubernetes cluster", programs: program("kubectl")},
	}
}

// cni is a package of pkgs.k8s.io common to all versions.
func (b *builder) cni() debian {
	programs := map[string]string{}
	for _, plugin := range []string{"bridge", "host-local", "loopback"} {
		programs["opt/cni/bin/"+plugin] = b.programs["cni-"+plugin]
	}
	return debian{
		name: "kubernetes-cni", version: versionOf(b.programs["cni-bridge"]) + "-1.1", description: "Binaries required to provision container networking",
		programs: programs,
	}
}

// containerd is Docker's package, including runc.
func (b *builder) containerd(ctx context.Context) (debian, error) {
	unit, err := b.moduleFile(ctx, "hack/node", "github.com/containerd/containerd/v2", "containerd.service")
	if err != nil {
		return debian{}, err
	}
	programs := map[string]string{}
	for _, name := range []string{"containerd", "containerd-shim-runc-v2", "ctr", "runc"} {
		programs["usr/bin/"+name] = b.programs[name]
	}
	return debian{
		name: "containerd.io", version: containerdVersion(versionOf(b.programs["containerd"])), description: "An open and reliable container runtime",
		depends: "libc6, libseccomp2", programs: programs, unit: "containerd.service",
		texts: map[string][]byte{
			"usr/lib/systemd/system/containerd.service": bytes.ReplaceAll(unit, []byte("/usr/local/bin/"), []byte("/usr/bin/")),
			"etc/containerd/config.toml":                []byte(containerdConfig),
			"etc/containerd/conf.d/capom-lab.toml":      []byte(labConfig),
		},
	}, nil
}

// containerdVersion is a version as Docker spells it.
func containerdVersion(plain string) string { return plain + "-1~debian.12~" + codename }

func (b *builder) tailscale(ctx context.Context) (debian, error) {
	unit, err := b.moduleFile(ctx, "test/coordination", "tailscale.com", "cmd/tailscaled/tailscaled.service")
	if err != nil {
		return debian{}, err
	}
	defaults, err := b.moduleFile(ctx, "test/coordination", "tailscale.com", "cmd/tailscaled/tailscaled.defaults")
	return debian{
		name: "tailscale", version: versionOf(b.programs["tailscaled"]), description: "The easiest, most secure, cross platform way to use WireGuard",
		depends: "iptables", unit: "tailscaled.service",
		programs: map[string]string{"usr/bin/tailscale": b.programs["tailscale"], "usr/sbin/tailscaled": b.programs["tailscaled"]},
		texts:    map[string][]byte{"usr/lib/systemd/system/tailscaled.service": unit, "etc/default/tailscaled": defaults},
	}, err
}

// versionOf takes the version, without its v, from a path of hack/binaries.sh:
// CACHE/NAME-VERSION/NAME.
func versionOf(path string) string {
	return strings.TrimPrefix(filepath.Base(filepath.Dir(path)), filepath.Base(path)+"-v")
}

// moduleFile reads a file of a Go module required by a module of this repository.
func (b *builder) moduleFile(ctx context.Context, module, dependency, file string) ([]byte, error) {
	command := exec.CommandContext(ctx, "go", "list", "-C", filepath.Join(b.root, module), "-m", "-f", "{{.Dir}}", dependency)
	folder, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", dependency, err)
	}
	return os.ReadFile(filepath.Join(strings.TrimSpace(string(folder)), file))
}

// fileName is the package's, as repositories spell it.
func (d debian) fileName() string { return d.name + "_" + d.version + "_" + architecture + ".deb" }

// control is the package's description of itself.
func (d debian) control() string {
	control := fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: CAPOM lab <lab@example.com>\n", d.name, d.version, architecture)
	if d.depends != "" {
		control += "Depends: " + d.depends + "\n"
	}
	return control + "Priority: optional\nSection: admin\nDescription: " + d.description + "\n"
}

// place puts the package into a file. A package is built once; built has the files, by name.
func (d debian) place(ctx context.Context, path string, built map[string]string) error {
	if from := built[d.fileName()]; from != "" {
		return os.Link(from, path)
	}
	built[d.fileName()] = path
	return d.write(ctx, path)
}

// write builds the package into a file.
func (d debian) write(ctx context.Context, path string) (err error) {
	tree, err := os.MkdirTemp("", "lab-package-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tree)) }()
	if err := os.Chmod(tree, 0o755); err != nil {
		return err
	}
	texts := map[string][]byte{"DEBIAN/control": []byte(d.control())}
	maps.Copy(texts, d.texts)
	for _, path := range sortedKeys(d.texts) {
		if strings.HasPrefix(path, "etc/") {
			texts["DEBIAN/conffiles"] = append(texts["DEBIAN/conffiles"], "/"+path+"\n"...)
		}
	}
	for path, content := range texts {
		if err := writeFile(filepath.Join(tree, path), bytes.NewReader(content), 0o644); err != nil {
			return err
		}
	}
	if d.unit != "" {
		if err := writeFile(filepath.Join(tree, "DEBIAN", "postinst"), strings.NewReader(fmt.Sprintf(startUnit, d.unit)), 0o755); err != nil {
			return err
		}
	}
	for path, program := range d.programs {
		if err := copyProgram(program, filepath.Join(tree, path)); err != nil {
			return err
		}
	}
	return output(exec.CommandContext(ctx, "dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", tree, path))
}

func copyProgram(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	return writeFile(to, source, 0o755)
}

// writeFile writes a file and makes its folder.
func writeFile(path string, content io.Reader, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
