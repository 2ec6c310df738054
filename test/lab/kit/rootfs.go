// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const release = "bookworm"

// packages are the nodes' packages in Oracle's Ubuntu images. cloud-init comes after them:
// debootstrap cannot resolve its virtual dependencies.
var packages = []string{
	"systemd", "systemd-sysv", "dbus", "udev", "iproute2", "iptables", "nftables", "ca-certificates", "curl", "kmod", "conntrack",
	"socat", "ethtool", "procps", "netbase", "e2fsprogs", "xfsprogs", "openssl", "gpg", "iputils-ping", "tcpdump",
}

// masked are units without a use in a machine of the lab.
var masked = []string{
	"console-getty.service", "getty@.service", "systemd-logind.service", "e2scrub_reap.service", "apt-daily.timer",
	"apt-daily-upgrade.timer", "dpkg-db-backup.timer", "fstrim.timer", "e2scrub_all.timer", "systemd-timesyncd.service",
	"systemd-networkd.service", "systemd-networkd.socket", "systemd-resolved.service",
}

// stock makes a root file system as a cloud has it before anything is installed.
func (b *builder) stock(ctx context.Context, ca CA) (string, error) {
	inputs := append(append([]string{release, ca.Cert}, packages...), masked...)
	return b.folder("stock", inputs, func(dir string) error {
		steps := [][]string{
			{"debootstrap", "--variant=minbase", "--include=" + strings.Join(packages, ","), release, dir},
			{"chroot", dir, "apt-get", "install", "-y", "-qq", "--no-install-recommends", "cloud-init"},
			{"chroot", dir, "apt-get", "clean"},
			{"cp", ca.Cert, filepath.Join(dir, "usr/local/share/ca-certificates/lab.crt")},
			{"chroot", dir, "update-ca-certificates"},
			append([]string{"systemctl", "--root=" + dir, "mask"}, masked...),
		}
		for _, step := range steps {
			if err := run(ctx, step[0], step[1:]...); err != nil {
				return err
			}
		}
		if err := put("stock", dir); err != nil {
			return err
		}
		// The machine's archive is the lab's, or none.
		if err := os.WriteFile(filepath.Join(dir, "etc/apt/sources.list"), nil, 0o644); err != nil {
			return err
		}
		return run(ctx, "systemctl", "--root="+dir, "enable", "netfilter-persistent.service", "lab-cgroups.service", "lab-network-online.service")
	})
}

// nodePrograms are the programs in the image of a Kubernetes version, by path.
var nodePrograms = map[string]string{
	"containerd": "usr/bin", "containerd-shim-runc-v2": "usr/bin", "ctr": "usr/bin", "runc": "usr/bin",
	"kubelet": "usr/bin", "kubeadm": "usr/bin", "kubectl": "usr/bin", "tailscale": "usr/bin", "tailscaled": "usr/sbin",
	"cni-bridge": "opt/cni/bin", "cni-host-local": "opt/cni/bin", "cni-loopback": "opt/cni/bin",
}

// preinstalled makes a root file system with a Kubernetes version. It shares the files of the stock
// one, so none of those may be changed.
func (b *builder) preinstalled(ctx context.Context, stock, version string) (string, error) {
	names := sortedKeys(nodePrograms)
	programs, err := b.programs(ctx, version, names...)
	if err != nil {
		return "", err
	}
	inputs := []string{stock, version}
	for _, name := range names {
		inputs = append(inputs, programs[name])
	}
	return b.folder("kubernetes-"+version, inputs, func(dir string) error {
		if err := run(ctx, "cp", "-al", stock+"/.", dir); err != nil {
			return err
		}
		for _, name := range names {
			target := filepath.Join(dir, nodePrograms[name], strings.TrimPrefix(name, "cni-"))
			if err := run(ctx, "install", "-D", "-m", "0755", programs[name], target); err != nil {
				return err
			}
		}
		if err := put("node", dir); err != nil {
			return err
		}
		if err := b.tailscaleUnit(ctx, dir); err != nil {
			return err
		}
		return run(ctx, "systemctl", "--root="+dir, "enable", "containerd.service", "kubelet.service")
	})
}

// tailscaleUnit takes the unit from Tailscale's own sources.
func (b *builder) tailscaleUnit(ctx context.Context, dir string) error {
	_, module, err := b.module(ctx, filepath.Join("test", "coordination"), "tailscale.com")
	if err != nil {
		return err
	}
	source := filepath.Join(module, "cmd", "tailscaled")
	if err := run(ctx, "install", "-D", "-m", "0644", filepath.Join(source, "tailscaled.service"), filepath.Join(dir, "etc/systemd/system/tailscaled.service")); err != nil {
		return err
	}
	return run(ctx, "install", "-D", "-m", "0644", filepath.Join(source, "tailscaled.defaults"), filepath.Join(dir, "etc/default/tailscaled"))
}

// module is a module's version and folder, as a module of the repository requires it. It is
// downloaded where the module cache lacks it: programs may be cached without it.
func (b *builder) module(ctx context.Context, requiring, path string) (version, dir string, err error) {
	out, err := exec.CommandContext(ctx, "go", "-C", filepath.Join(b.root, requiring), "mod", "download", "-json", path).Output()
	if err != nil {
		return "", "", fmt.Errorf("find the module %s for %s: %w: %s", path, requiring, err, tail(out))
	}
	var found struct{ Version, Dir string }
	if err := json.Unmarshal(out, &found); err != nil {
		return "", "", fmt.Errorf("find the module %s for %s: %w", path, requiring, err)
	}
	return found.Version, found.Dir, nil
}
