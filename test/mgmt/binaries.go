// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package mgmt

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Binaries are the paths of the programs a management cluster is made of.
type Binaries struct {
	// Envtest is the folder with etcd and kube-apiserver.
	Envtest string
	// Core, Bootstrap and ControlPlane are Cluster API's managers.
	Core, Bootstrap, ControlPlane string
	Clusterctl, Kustomize         string
}

// FindBinaries asks hack/binaries.sh in the repository at root for the
// binaries; those not cached yet are built, with the progress written to out.
func FindBinaries(ctx context.Context, root string, out io.Writer) (Binaries, error) {
	var b Binaries
	names := []struct {
		name string
		path *string
	}{
		{"envtest", &b.Envtest},
		{"capi-core", &b.Core},
		{"capi-kubeadm-bootstrap", &b.Bootstrap},
		{"capi-kubeadm-control-plane", &b.ControlPlane},
		{"clusterctl", &b.Clusterctl},
		{"kustomize", &b.Kustomize},
	}
	args := make([]string, 0, len(names))
	for _, n := range names {
		args = append(args, n.name)
	}
	cmd := exec.CommandContext(ctx, filepath.Join(root, "hack", "binaries.sh"), args...)
	cmd.Stderr = out
	stdout, err := cmd.Output()
	if err != nil {
		return b, fmt.Errorf("build the binaries of a management cluster (hack/binaries.sh %s): %w", strings.Join(args, " "), err)
	}
	lines := strings.Fields(string(stdout))
	if len(lines) != len(names) {
		return b, fmt.Errorf("hack/binaries.sh printed %d paths, want %d", len(lines), len(names))
	}
	for i, n := range names {
		*n.path = lines[i]
	}
	return b, nil
}

// run runs a program to its end and returns its standard output.
func run(ctx context.Context, dir, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, os.Environ()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

// moduleDir is a module's folder in the Go module cache, at the repository's version.
func moduleDir(ctx context.Context, root, module string) (string, error) {
	out, err := run(ctx, root, "go", "list", "-m", "-f", "{{.Dir}}", module)
	if err != nil {
		return "", fmt.Errorf("find the module %s: %w", module, err)
	}
	dir := strings.TrimSpace(string(out))
	if dir == "" {
		return "", fmt.Errorf("the module %s is not in the module cache: run go mod download", module)
	}
	return dir, nil
}
