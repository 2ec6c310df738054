// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package kit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
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
	"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64", "var/run": "/run",
	"usr/bin/sh": "bash", "usr/bin/clang": "../lib/llvm-19/bin/clang", "usr/sbin/modprobe": "../bin/kmod",
	"usr/sbin/iptables": "xtables-nft-multi", "usr/sbin/iptables-save": "xtables-nft-multi", "usr/sbin/iptables-restore": "xtables-nft-multi",
	"usr/sbin/ip6tables": "xtables-nft-multi", "usr/sbin/ip6tables-save": "xtables-nft-multi", "usr/sbin/ip6tables-restore": "xtables-nft-multi",
}

const (
	libraries = "usr/lib/x86_64-linux-gnu"
	// loader is where programs expect it; loaderFile is where Debian has it.
	loader, loaderFile = "usr/lib64/ld-linux-x86-64.so.2", libraries + "/ld-linux-x86-64.so.2"
)

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
	for _, folder := range []string{"usr/bin", "usr/sbin", "usr/lib64", libraries, "etc", "run", "var/lib/cilium", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			return err
		}
	}
	for name, target := range ciliumLinks {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := addPackages(ctx, dir, ciliumPackages); err != nil {
		return err
	}
	if err := run(ctx, "cp", filepath.Join(stock, loaderFile), filepath.Join(dir, loader)); err != nil {
		return err
	}
	// xtables holds the modules that iptables loads by name.
	for _, name := range append(slices.Clone(ciliumTools), libraries+"/xtables") {
		if err := run(ctx, "cp", "-rL", filepath.Join(stock, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := addLibraries(ctx, dir, stock); err != nil {
		return err
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

// addPackages unpacks packages of the release that the lab's machines are of; whatever release this
// host is of, apt gets a state of its own.
func addPackages(ctx context.Context, dir string, names []string) (err error) {
	scratch, err := os.MkdirTemp("", "lab-packages-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	for _, folder := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(scratch, folder), 0o755); err != nil {
			return err
		}
	}
	source := fmt.Sprintf("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian %s main\n", release)
	for name, content := range map[string]string{"sources.list": source, "status": ""} {
		if err := os.WriteFile(filepath.Join(scratch, name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	options := []string{"-C", scratch, "apt-get", "-qq", "-o", "APT::Architecture=amd64", "-o", "APT::Sandbox::User=root"}
	for option, value := range map[string]string{
		"State::status": "status", "State::lists": "lists", "Cache": "cache", "Etc::sourcelist": "sources.list",
	} {
		options = append(options, "-o", "Dir::"+option+"="+filepath.Join(scratch, value))
	}
	options = append(options, "-o", "Dir::Etc::sourceparts=-")
	if err := run(ctx, "env", append(slices.Clone(options), "update")...); err != nil {
		return err
	}
	if err := run(ctx, "env", append(append(options, "download"), names...)...); err != nil {
		return err
	}
	packages, err := filepath.Glob(filepath.Join(scratch, "*.deb"))
	if err != nil {
		return err
	}
	if len(packages) != len(names) {
		return fmt.Errorf("apt-get downloaded %d of the packages %s", len(packages), strings.Join(names, ", "))
	}
	for _, file := range packages {
		if err := run(ctx, "dpkg-deb", "-x", file, filepath.Join(scratch, "root")); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(filepath.Join(scratch, "root", "usr", "share")); err != nil {
		return err
	}
	// A folder and not the root itself: a package's own /sbin would replace the link.
	return run(ctx, "cp", "-a", filepath.Join(scratch, "root", "usr")+"/.", filepath.Join(dir, "usr"))
}

// addLibraries copies the libraries that the programs in a root file system lack, until none does.
func addLibraries(ctx context.Context, dir, stock string) error {
	programs := append([]string{"usr/lib/llvm-19/bin/clang", "usr/sbin/ipset"}, ciliumTools...)
	for {
		lacking := map[string]bool{}
		for _, program := range programs {
			// It fails where a library is missing, and says which.
			out, _ := exec.CommandContext(ctx, "chroot", dir, "/"+loader, "--list", "/"+program).CombinedOutput()
			names, err := notFound(out)
			if err != nil {
				return fmt.Errorf("look for the libraries of %s: %w: %s", program, err, tail(out))
			}
			for _, name := range names {
				lacking[name] = true
			}
		}
		if len(lacking) == 0 {
			return nil
		}
		for _, name := range sortedKeys(lacking) {
			if err := run(ctx, "cp", "-L", filepath.Join(stock, libraries, name), filepath.Join(dir, libraries, name)); err != nil {
				return err
			}
		}
	}
}

// notFound reads the names of missing libraries from the loader's list: "NAME => not found", or
// "PROGRAM: error while loading shared libraries: NAME: cannot open ...".
func notFound(list []byte) ([]string, error) {
	var names []string
	found := 0
	for lines := bufio.NewScanner(bytes.NewReader(list)); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		if name, ok := strings.CutSuffix(line, " => not found"); ok {
			names = append(names, name)
		} else if _, rest, ok := strings.Cut(line, "error while loading shared libraries: "); ok {
			name, _, _ := strings.Cut(rest, ":")
			names = append(names, name)
		} else if strings.Contains(line, "=> ") || strings.Contains(line, "(0x") {
			found++
		}
	}
	if len(names) == 0 && found == 0 {
		return nil, errors.New("the loader lists nothing")
	}
	return names, nil
}
