// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"sigs.k8s.io/yaml"
)

const seed = "var/lib/cloud/seed/nocloud-net"

// makeDisk makes the root as an overlay over the image, and gives it an identity.
func (m *Machine) makeDisk() error {
	for _, dir := range []string{"root", "upper", "work"} {
		if err := os.MkdirAll(m.path(dir), 0o755); err != nil {
			return err
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", m.config.Image, m.path("upper"), m.path("work"))
	if err := syscall.Mount("overlay", m.path("root"), "overlay", 0, options); err != nil {
		return fmt.Errorf("mount the overlay: %w", err)
	}
	metadata, err := yaml.Marshal(map[string]string{"instance-id": m.config.InstanceID, "local-hostname": m.config.Hostname})
	if err != nil {
		return err
	}
	files := map[string][]byte{
		// An empty one is filled at the first boot (machine-id(5)).
		"etc/machine-id": nil, "etc/hostname": []byte(m.config.Hostname + "\n"), "etc/resolv.conf": []byte("nameserver 169.254.169.254\n"),
		seed + "/meta-data": metadata, seed + "/user-data": m.config.UserData,
	}
	if err := os.MkdirAll(m.path("root", seed), 0o755); err != nil {
		return err
	}
	for name, content := range files {
		path := m.path("root", name)
		// A link, as resolv.conf may be one, would lead out of the machine.
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	if m.config.ContainerdRoot == "" {
		return nil
	}
	return copyContainerdRoot(m.config.ContainerdRoot, m.path("containerd"))
}

// databases are the files containerd changes in place; blobs and committed snapshots never change,
// so copies can share them.
var databases = []string{
	"io.containerd.metadata.v1.bolt/meta.db", "io.containerd.snapshotter.v1.overlayfs/metadata.db",
}

// copyContainerdRoot copies a folder of containerd's with hard links.
func copyContainerdRoot(template, target string) error {
	if out, err := exec.Command("cp", "-al", template, target).CombinedOutput(); err != nil { //nolint:noctx // local and short
		return fmt.Errorf("copy containerd's folder: %w: %s", err, out)
	}
	for _, name := range databases {
		content, err := os.ReadFile(filepath.Join(template, name))
		if err != nil {
			return fmt.Errorf("copy containerd's folder: %w", err)
		}
		if err := os.Remove(filepath.Join(target, name)); err != nil {
			return fmt.Errorf("copy containerd's folder: %w", err)
		}
		if err := os.WriteFile(filepath.Join(target, name), content, 0o600); err != nil {
			return fmt.Errorf("copy containerd's folder: %w", err)
		}
	}
	return nil
}

func (m *Machine) removeDisk() error {
	err := syscall.Unmount(m.path("root"), syscall.MNT_DETACH)
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOENT) {
		err = nil
	}
	for _, dir := range []string{"root", "upper", "work", "containerd", "udev"} {
		err = errors.Join(err, os.RemoveAll(m.path(dir)))
	}
	return err
}

// Destroy kills the machine and removes its disk, its control groups and its
// devices. The console stays, and so do the files behind its volumes.
func (m *Machine) Destroy() error {
	err := m.Kill()
	m.mu.Lock()
	defer m.mu.Unlock()
	for device := range m.volumes {
		err = errors.Join(err, m.detach(device))
	}
	return errors.Join(err, m.removeDisk(), m.removeGroups())
}
