// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// BaseImage is empty: pods of the lab bring their programs from the host.
const BaseImage = "localhost/capom-lab/base:1"

// searchPath is the images' PATH: Debian has iptables in sbin.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// containerImage is an image of one layer, with one program or a whole root file system.
type containerImage struct {
	name string
	// program is the file's path on the host, empty for none; it goes to path, from the root.
	program, path string
	// fill makes a root file system in an empty folder, given inputs; nil for a program's image.
	fill   func(dir string) error
	inputs []string
}

// containerImages are those of "kubeadm config images list" for all versions, Cilium's, and that of
// the fleet's chart.
func (b *builder) containerImages(ctx context.Context, stock, pause string) ([]containerImage, error) {
	shared, err := b.programs(ctx, "", "etcd", "coredns")
	if err != nil {
		return nil, err
	}
	images := []containerImage{
		{name: "registry.k8s.io/etcd:3.7.0-0", program: shared["etcd"], path: "usr/local/bin/etcd"},
		{name: "registry.k8s.io/coredns/coredns:v1.14.6", program: shared["coredns"], path: "coredns"},
		{name: "registry.k8s.io/pause:3.10.2", program: pause, path: "pause"},
		{name: BaseImage},
	}
	for _, version := range KubernetesVersions {
		names := []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"}
		programs, err := b.programs(ctx, version, names...)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			images = append(images, containerImage{name: "registry.k8s.io/" + name + ":" + version, program: programs[name], path: "usr/local/bin/" + name})
		}
		// kubeadm's preflight check wants it, and nothing runs it.
		images = append(images, containerImage{name: "registry.k8s.io/kube-proxy:" + version})
	}
	images = append(images, nginxImage(ctx, stock))
	cilium, err := b.ciliumImages(ctx, stock)
	return append(images, cilium...), err
}

// containerdRoot has our containerd import all images into a folder.
func (b *builder) containerdRoot(ctx context.Context, stock string) (string, error) {
	pauseDir, err := b.folder("pause", nil, func(dir string) error {
		source, err := image.ReadFile("image/pause.c")
		if err != nil {
			return err
		}
		path := filepath.Join(dir, "pause.c")
		if err := os.WriteFile(path, source, 0o644); err != nil {
			return err
		}
		return run(ctx, "gcc", "-static", "-Os", "-s", "-o", filepath.Join(dir, "pause"), path)
	})
	if err != nil {
		return "", err
	}
	images, err := b.containerImages(ctx, stock, filepath.Join(pauseDir, "pause"))
	if err != nil {
		return "", err
	}
	programs, err := b.programs(ctx, "", "containerd", "ctr")
	if err != nil {
		return "", err
	}
	inputs := []string{programs["containerd"]}
	for _, i := range images {
		inputs = append(append(inputs, i.name, i.program, i.path), i.inputs...)
	}
	return b.folder("containerd", inputs, func(dir string) error {
		return importImages(ctx, programs["containerd"], programs["ctr"], dir, images)
	})
}

func importImages(ctx context.Context, containerd, ctr, dir string, images []containerImage) (err error) {
	scratch, err := os.MkdirTemp("", "lab-containerd-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	socket := filepath.Join(scratch, "socket")
	config := fmt.Sprintf("version = 3\nroot = %q\nstate = %q\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = %q\n",
		dir, filepath.Join(scratch, "state"), socket)
	if err := os.WriteFile(filepath.Join(scratch, "config.toml"), []byte(config), 0o600); err != nil {
		return err
	}
	daemon := exec.CommandContext(ctx, containerd, "--config", filepath.Join(scratch, "config.toml"))
	daemon.Cancel = func() error { return daemon.Process.Signal(os.Interrupt) }
	if err := daemon.Start(); err != nil {
		return err
	}
	defer func() {
		_ = daemon.Process.Signal(os.Interrupt)
		_ = daemon.Wait()
	}()
	if err := waitForFile(ctx, socket); err != nil {
		return err
	}
	do := func(args ...string) error {
		return run(ctx, ctr, append([]string{"--address", socket, "-n", "k8s.io"}, args...)...)
	}
	for _, i := range images {
		archive, err := i.save(ctx, scratch)
		if err != nil {
			return fmt.Errorf("make %s: %w", i.name, err)
		}
		// Machines run the unpacked layers; the packed ones would double what all of this takes of
		// the disk.
		err = errors.Join(do("images", "import", "--snapshotter", "overlayfs", archive), do("content", "prune", "references"))
		if err != nil {
			return fmt.Errorf("import %s: %w", i.name, err)
		}
	}
	return nil
}

// save writes an image as "docker save" does, with scratch for what is needed meanwhile. Nothing is
// there twice for longer than it must: the largest image takes hundreds of megabytes.
func (i containerImage) save(ctx context.Context, scratch string) (string, error) {
	root, layer, archive := filepath.Join(scratch, "root"), filepath.Join(scratch, "layer.tar"), filepath.Join(scratch, "image.tar")
	if err := os.Mkdir(root, 0o755); err != nil {
		return "", err
	}
	if err := i.makeRoot(root); err != nil {
		return "", err
	}
	if err := run(ctx, "tar", "-C", root, "--numeric-owner", "-cf", layer, "."); err != nil {
		return "", err
	}
	if err := os.RemoveAll(root); err != nil {
		return "", err
	}
	if err := i.describe(scratch, layer); err != nil {
		return "", err
	}
	if err := run(ctx, "tar", "-C", scratch, "-cf", archive, "config.json", "layer.tar", "manifest.json"); err != nil {
		return "", err
	}
	return archive, os.Remove(layer)
}

func waitForFile(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not appear: %w", path, ctx.Err())
		case <-ticker.C:
		}
	}
}

// describe writes the image's configuration and manifest.
func (i containerImage) describe(dir, layer string) error {
	content, err := os.Open(layer)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, content); err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{"Entrypoint": i.entrypoint(), "Env": []string{"PATH=" + searchPath}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum.Sum(nil))}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{i.name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600), os.WriteFile(filepath.Join(dir, "manifest.json"), manifest, 0o600))
}

func (i containerImage) entrypoint() []string {
	if i.path == "" {
		return nil
	}
	return []string{"/" + i.path}
}

// makeRoot makes the image's root file system: /tmp, the users of static images, and the image's
// own.
func (i containerImage) makeRoot(dir string) error {
	users := []byte("root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n")
	for _, folder := range []string{"tmp", "etc", filepath.Dir(i.path)} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			return err
		}
	}
	// MkdirAll's mode would lose the bits that the process's mask has not.
	err := errors.Join(os.Chmod(filepath.Join(dir, "tmp"), os.ModeSticky|0o777), os.WriteFile(filepath.Join(dir, "etc", "passwd"), users, 0o644))
	switch {
	case err != nil:
		return err
	case i.fill != nil:
		return i.fill(dir)
	case i.program == "":
		return nil
	}
	content, err := os.ReadFile(i.program)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, i.path), content, 0o755)
}
