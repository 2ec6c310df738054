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

const (
	libraries = "usr/lib/x86_64-linux-gnu"
	// loader is where programs expect it; loaderFile is where Debian has it.
	loader, loaderFile = "usr/lib64/ld-linux-x86-64.so.2", libraries + "/ld-linux-x86-64.so.2"
)

// rootLinks are links in each root file system of an image.
var rootLinks = map[string]string{"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}

// fillRoot makes the root file system of an image of Debian's packages, of files and folders of the
// stock root, and of the libraries that the programs which are executed lack.
func fillRoot(ctx context.Context, dir, stock string, packages, files, executed []string) error {
	for _, folder := range []string{"usr/bin", "usr/sbin", "usr/lib64", libraries, "etc", "run", "var", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			return err
		}
	}
	for name, target := range rootLinks {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := addPackages(ctx, dir, packages); err != nil {
		return err
	}
	if err := run(ctx, "cp", filepath.Join(stock, loaderFile), filepath.Join(dir, loader)); err != nil {
		return err
	}
	for _, name := range files {
		if err := run(ctx, "cp", "-rL", filepath.Join(stock, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return addLibraries(ctx, dir, stock, executed)
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

// addLibraries copies the libraries that programs in a root file system lack, until none does.
func addLibraries(ctx context.Context, dir, stock string, programs []string) error {
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
