// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/enter"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/mirror"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/mgmt"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
)

// Prepare builds all programs and images. Inside the lab there is no Internet to fetch modules
// from, and another lab may run the programs, so it must have run before enter.Enter or enter.Run;
// inside it finds everything done. root is the repository, dir takes this repository's programs.
func Prepare(ctx context.Context, root, dir string, progress io.Writer) (Programs, error) {
	p, err := PrepareClouds(ctx, root, dir, progress)
	if err != nil {
		return p, err
	}
	p.Manager, p.Release = filepath.Join(dir, "manager"), filepath.Join(dir, "release")
	if p.Management, err = mgmt.FindBinaries(ctx, root, progress); err != nil {
		return p, err
	}
	if err := build(ctx, root, p.Manager, "."); err != nil || enter.Inside() {
		return p, err
	}
	return p, user.Release(ctx, root, p.Release)
}

// PrepareClouds is Prepare for a World without a management cluster.
func PrepareClouds(ctx context.Context, root, dir string, progress io.Writer) (Programs, error) {
	p := Programs{Root: root, Coordination: filepath.Join(dir, "coordination"), Node: filepath.Join(dir, "node")}
	var err error
	if p.Assets, err = kit.Ensure(ctx, root, progress); err != nil {
		return p, err
	}
	if p.Mirror, err = mirror.Ensure(ctx, root, progress); err != nil {
		return p, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return p, err
	}
	if err := build(ctx, filepath.Join(root, "test", "coordination"), p.Coordination, "."); err != nil {
		return p, err
	}
	return p, build(ctx, filepath.Join(root, "test"), p.Node, "./lab/node")
}

func build(ctx context.Context, folder, output, source string) error {
	if enter.Inside() {
		return nil
	}
	return user.Command(ctx, folder, "env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-o", output, source)
}
