// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// BaseImage is empty: pods of the lab bring their programs from the host.
const BaseImage = "localhost/capom-lab/base:1"

// containerImage is an image of one layer with one program.
type containerImage struct {
	name string
	// program is the file's path on the host, empty for none; it goes to path, from the root.
	program, path string
}

// containerImages are those of "kubeadm config images list" for both versions.
func (b *builder) containerImages(ctx context.Context, pause string) ([]containerImage, error) {
	shared, err := b.programs(ctx, "", "etcd", "coredns")
	if err != nil {
		return nil, err
	}
	images := []containerImage{
		{"registry.k8s.io/etcd:3.7.0-0", shared["etcd"], "usr/local/bin/etcd"},
		{"registry.k8s.io/coredns/coredns:v1.14.6", shared["coredns"], "coredns"},
		{"registry.k8s.io/pause:3.10.2", pause, "pause"},
		{BaseImage, "", ""},
	}
	for _, version := range []string{OldVersion, NewVersion} {
		names := []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"}
		programs, err := b.programs(ctx, version, names...)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			images = append(images, containerImage{"registry.k8s.io/" + name + ":" + version, programs[name], "usr/local/bin/" + name})
		}
		// kubeadm's preflight check wants it, and nothing runs it.
		images = append(images, containerImage{"registry.k8s.io/kube-proxy:" + version, "", ""})
	}
	return images, nil
}

// containerdRoot has our containerd import all images into a folder.
func (b *builder) containerdRoot(ctx context.Context) (string, error) {
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
	images, err := b.containerImages(ctx, filepath.Join(pauseDir, "pause"))
	if err != nil {
		return "", err
	}
	programs, err := b.programs(ctx, "", "containerd", "ctr")
	if err != nil {
		return "", err
	}
	inputs := []string{programs["containerd"]}
	for _, i := range images {
		inputs = append(inputs, i.name, i.program, i.path)
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
	for _, i := range images {
		archive := filepath.Join(scratch, "image.tar")
		if err := writeArchive(archive, i); err != nil {
			return err
		}
		if err := run(ctx, ctr, "--address", socket, "-n", "k8s.io", "images", "import", "--snapshotter", "overlayfs", archive); err != nil {
			return err
		}
	}
	return nil
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

// writeArchive writes an image as "docker save" does.
func writeArchive(path string, i containerImage) error {
	layer, err := layerOf(i)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(layer)
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{"Entrypoint": entrypoint(i), "Env": []string{"PATH=/usr/local/bin:/usr/bin:/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{i.name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, f := range []struct {
		name    string
		content []byte
	}{{"config.json", config}, {"layer.tar", layer}, {"manifest.json", manifest}} {
		if err := errors.Join(w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.content))}), write(w, f.content)); err != nil {
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o600)
}

func write(w *tar.Writer, content []byte) error {
	_, err := w.Write(content)
	return err
}

func entrypoint(i containerImage) []string {
	if i.path == "" {
		return nil
	}
	return []string{"/" + i.path}
}

// layerOf is a file system with the program, /tmp and the users of static images.
func layerOf(i containerImage) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	users := []byte("root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n")
	err := errors.Join(
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}),
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o755}),
		w.WriteHeader(&tar.Header{Name: "etc/passwd", Mode: 0o644, Size: int64(len(users))}), write(w, users))
	if i.program != "" && err == nil {
		var content []byte
		if content, err = os.ReadFile(i.program); err == nil {
			err = errors.Join(w.WriteHeader(&tar.Header{Name: i.path, Mode: 0o755, Size: int64(len(content))}), write(w, content))
		}
	}
	return out.Bytes(), errors.Join(err, w.Close())
}
