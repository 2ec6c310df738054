// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ciliumModule is Cilium's, with its programs, its BPF programs' sources and its chart.
const ciliumModule = "github.com/cilium/cilium"

// ciliumPin is the module that requires it.
const ciliumPin = "hack/cilium"

// ciliumPrograms are the programs of the agent's image, by folder (images/cilium and images/runtime
// in Cilium's module).
var ciliumPrograms = map[string]string{
	"cilium-agent": "usr/bin", "cilium-dbg": "usr/bin", "cilium-health": "usr/bin", "cilium-health-responder": "usr/bin",
	"cilium-mount": "usr/bin", "cilium-sysctlfix": "usr/bin", "cilium-cni": "opt/cni/bin", "cni-loopback": "cni",
}

// ciliumFiles are files and folders of Cilium's module that are in the image as well.
var ciliumFiles = map[string]string{
	"bpf": "var/lib/cilium/bpf", "images/cilium/init-container.sh": "init-container.sh",
	"plugins/cilium-cni/install-plugin.sh": "install-plugin.sh", "plugins/cilium-cni/cni-uninstall.sh": "cni-uninstall.sh",
}

// ciliumTools are programs of the stock root file system that agent, scripts and the chart's init
// containers run.
var ciliumTools = []string{
	"usr/bin/bash", "usr/bin/cat", "usr/bin/cp", "usr/bin/mv", "usr/bin/rm", "usr/bin/mkdir", "usr/bin/ls", "usr/bin/sleep",
	"usr/bin/basename", "usr/bin/find", "usr/bin/grep", "usr/bin/nsenter", "usr/bin/mount", "usr/bin/umount", "usr/bin/ip",
	"usr/bin/kmod", "usr/sbin/xtables-nft-multi",
}

// ciliumPackages are Debian's packages beside them: the compiler of BPF programs, with the
// libraries that the stock root lacks, and ipset. Nothing else of LLVM is called: the agent has
// clang write objects, without the compiler's own headers (pkg/datapath/loader/compile.go).
var ciliumPackages = []string{"clang-19", "libclang-cpp19", "libllvm19", "libz3-4", "libxml2", "ipset", "libipset13"}

// ciliumLinks are links in the image; the last ones are how these programs know what to do.
var ciliumLinks = map[string]string{
	"var/run":    "/run",
	"usr/bin/sh": "bash", "usr/bin/clang": "../lib/llvm-19/bin/clang", "usr/sbin/modprobe": "../bin/kmod",
	"usr/sbin/iptables": "xtables-nft-multi", "usr/sbin/iptables-save": "xtables-nft-multi", "usr/sbin/iptables-restore": "xtables-nft-multi",
	"usr/sbin/ip6tables": "xtables-nft-multi", "usr/sbin/ip6tables-save": "xtables-nft-multi", "usr/sbin/ip6tables-restore": "xtables-nft-multi",
}

// ciliumChart is the folder of Cilium's chart, of the version whose images are in ContainerdRoot.
func (b *builder) ciliumChart(ctx context.Context) (string, error) {
	_, module, err := b.module(ctx, ciliumPin, ciliumModule)
	return filepath.Join(module, "install", "kubernetes", "cilium"), err
}

// ciliumImages are the images that the chart of the pinned version names: the agent's, without
// Envoy, and the operator's.
func (b *builder) ciliumImages(ctx context.Context, stock string) ([]containerImage, error) {
	names := append(sortedKeys(ciliumPrograms), "cilium-operator-generic")
	programs, err := b.programs(ctx, "", names...)
	if err != nil {
		return nil, err
	}
	version, module, err := b.module(ctx, ciliumPin, ciliumModule)
	if err != nil {
		return nil, err
	}
	inputs := slices.Concat([]string{stock, version, release}, ciliumTools, ciliumPackages)
	for _, name := range sortedKeys(ciliumPrograms) {
		inputs = append(inputs, programs[name], ciliumPrograms[name])
	}
	for _, files := range []map[string]string{ciliumFiles, ciliumLinks} {
		for _, name := range sortedKeys(files) {
			inputs = append(inputs, name, files[name])
		}
	}
	fill := func(dir string) error { return fillCilium(ctx, dir, stock, module, programs) }
	return []containerImage{
		{name: "quay.io/cilium/cilium:" + version, fill: fill, inputs: inputs},
		{name: "quay.io/cilium/operator-generic:" + version, program: programs["cilium-operator-generic"], path: "usr/bin/cilium-operator-generic"},
	}, nil
}

// fillCilium makes the root of the agent's image. It holds what is run and no more: the disk of who
// runs the lab is small.
func fillCilium(ctx context.Context, dir, stock, module string, programs map[string]string) error {
	// xtables holds the modules that iptables loads by name.
	from := append(slices.Clone(ciliumTools), libraries+"/xtables")
	executed := append([]string{"usr/lib/llvm-19/bin/clang", "usr/sbin/ipset"}, ciliumTools...)
	if err := fillRoot(ctx, dir, stock, ciliumPackages, from, executed); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "var/lib/cilium"), 0o755); err != nil {
		return err
	}
	for name, target := range ciliumLinks {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	for name, folder := range ciliumPrograms {
		target := filepath.Join(dir, folder, strings.TrimPrefix(name, "cni-"))
		if err := run(ctx, "install", "-D", "-m", "0755", programs[name], target); err != nil {
			return err
		}
	}
	for source, target := range ciliumFiles {
		// Files of the module cache are read-only.
		if err := run(ctx, "cp", "-r", "--no-preserve=mode", filepath.Join(module, source), filepath.Join(dir, target)); err != nil {
			return err
		}
		if strings.HasSuffix(target, ".sh") {
			if err := os.Chmod(filepath.Join(dir, target), 0o755); err != nil {
				return err
			}
		}
	}
	// Fails here rather than on each node.
	return run(ctx, "chroot", dir, "clang", "--version")
}
