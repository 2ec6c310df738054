// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
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

// image are the files of images beside their packages.
//
//go:embed image
var image embed.FS

const (
	// NewVersion is the version in hack/kubernetes/go.mod.
	NewVersion = "v1.37.2"
	// OldVersion is upstream's, or NewVersion stamped with it.
	OldVersion = "v1.37.1"
	// NextVersion is the next minor one, stamped too. There is no image of a machine with it, only
	// packages.
	NextVersion = "v1.38.0"
)

// KubernetesVersions are all of them, oldest first.
var KubernetesVersions = []string{OldVersion, NewVersion, NextVersion}

// Assets are folders and files in the cache, all read-only.
type Assets struct {
	// Stock is a root file system without Kubernetes; Preinstalled are those with it, by version.
	Stock        string
	Preinstalled map[string]string
	// ContainerdRoot is a /var/lib/containerd with all images of the lab's clusters.
	ContainerdRoot string
	CA             CA
	// CiliumChart is the folder of the chart whose images are in ContainerdRoot.
	CiliumChart string
	// Tailscale and Tailscaled are the programs, for the management host.
	Tailscale, Tailscaled string
}

// Versions are the versions of Kubernetes with images, oldest first.
func (a Assets) Versions() []string { return slices.Sorted(maps.Keys(a.Preinstalled)) }

// TailscaleVersion is without its v, as packages have it. hack/binaries.sh has it in the path.
func (a Assets) TailscaleVersion() string {
	return strings.TrimPrefix(filepath.Base(filepath.Dir(a.Tailscale)), "tailscale-v")
}

// builder knows where things are and go.
type builder struct {
	root, cache string
	progress    io.Writer
}

// Ensure builds parts missing from the cache, with lines of progress. root is the repository. It
// must run as root, with debootstrap installed.
func Ensure(ctx context.Context, root string, progress io.Writer) (Assets, error) {
	cache, err := cacheDir()
	if err != nil {
		return Assets{}, err
	}
	b := &builder{root: root, cache: cache, progress: progress}
	a := Assets{Preinstalled: map[string]string{}}
	if a.CA, err = b.ca(ctx); err != nil {
		return a, err
	}
	if a.Stock, err = b.stock(ctx, a.CA); err != nil {
		return a, err
	}
	for _, version := range []string{OldVersion, NewVersion} {
		if a.Preinstalled[version], err = b.preinstalled(ctx, a.Stock, version); err != nil {
			return a, err
		}
	}
	if a.ContainerdRoot, err = b.containerdRoot(ctx, a.Stock); err != nil {
		return a, err
	}
	if a.CiliumChart, err = b.ciliumChart(ctx); err != nil {
		return a, err
	}
	programs, err := b.programs(ctx, "", "tailscale", "tailscaled")
	if err == nil {
		a.Tailscale, a.Tailscaled = programs["tailscale"], programs["tailscaled"]
	}
	return a, err
}

// cacheDir is the cache of hack/binaries.sh.
func cacheDir() (string, error) {
	if dir := os.Getenv("CAPOM_CACHE"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache: %w", err)
	}
	return filepath.Join(dir, "capom"), nil
}

// programs asks hack/binaries.sh for programs, Kubernetes' with a version's stamp.
func (b *builder) programs(ctx context.Context, stamp string, names ...string) (map[string]string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(b.root, "hack", "binaries.sh"), names...)
	cmd.Env = os.Environ()
	if stamp != "" && stamp != NewVersion {
		cmd.Env = append(cmd.Env, "CAPOM_KUBERNETES_STAMP="+stamp)
	}
	cmd.Stderr = b.progress
	out, err := cmd.Output()
	paths := strings.Fields(string(out))
	if err != nil || len(paths) != len(names) {
		return nil, fmt.Errorf("build %s (hack/binaries.sh): %w", strings.Join(names, " "), errors.Join(err, ctx.Err()))
	}
	programs := map[string]string{}
	for i, name := range names {
		programs[name] = paths[i]
	}
	return programs, nil
}

// folder returns the cached folder for a name and the inputs of its content, and fills it when it
// is not there. An unfinished folder is never taken for a complete one.
func (b *builder) folder(name string, inputs []string, fill func(dir string) error) (string, error) {
	sum := sha256.New()
	for _, input := range inputs {
		fmt.Fprintf(sum, "%s\x00", input)
	}
	if err := hashImage(sum); err != nil {
		return "", err
	}
	dir := filepath.Join(b.cache, "lab-"+name+"-"+hex.EncodeToString(sum.Sum(nil))[:12])
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	fmt.Fprintf(b.progress, "building the lab's %s ...\n", name)
	// The lab can be the first thing built on a machine.
	if err := os.MkdirAll(b.cache, 0o755); err != nil {
		return "", fmt.Errorf("make the cache: %w", err)
	}
	unfinished, err := os.MkdirTemp(b.cache, ".lab-"+name+"-")
	if err != nil {
		return "", fmt.Errorf("make a folder in the cache: %w", err)
	}
	// MkdirTemp's mode would keep everybody but root out of the machine's root folder.
	if err := os.Chmod(unfinished, 0o755); err != nil {
		return "", fmt.Errorf("make a folder in the cache: %w", err)
	}
	if err := fill(unfinished); err != nil {
		return "", errors.Join(fmt.Errorf("build the lab's %s: %w", name, err), os.RemoveAll(unfinished))
	}
	if err := os.Rename(unfinished, dir); err != nil {
		return "", fmt.Errorf("keep the lab's %s: %w", name, err)
	}
	return dir, nil
}

// hashImage adds the embedded files: changing one leads to new images.
func hashImage(sum io.Writer) error {
	return fs.WalkDir(image, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := image.ReadFile(path)
		fmt.Fprintf(sum, "%s\x00%s\x00", path, content)
		return err
	})
}

// put copies a part of the embedded files into a root file system.
func put(part, dir string) error {
	files, err := fs.Sub(image, "image/"+part)
	if err != nil {
		return err
	}
	return fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		target := filepath.Join(dir, path)
		if err != nil || entry.IsDir() {
			return errors.Join(err, os.MkdirAll(target, 0o755))
		}
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
}

// run runs a program; its output is shown only when it fails.
func run(ctx context.Context, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", program, strings.Join(args, " "), err, tail(out))
	}
	return nil
}

func tail(out []byte) []byte { return out[max(0, len(out)-2000):] }
