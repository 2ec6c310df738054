// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package move tests a running cluster while its objects go to another management cluster, by
// `clusterctl move` or from a backup: clusterctl, both management clusters with Cluster API's
// managers and this provider are the real ones; Oracle Cloud, the tailnet and the nodes on the
// machines are simulated.
package move

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/mgmt"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
)

// programs are the tests' programs, built once.
var programs struct {
	mgmt.Binaries
	root, manager, release string
}

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard())
	ctrl.SetLogger(logr.Discard())
	code, err := run(context.Background(), m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(ctx context.Context, m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "move")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if programs.root, err = filepath.Abs("../.."); err != nil {
		return 0, err
	}
	if programs.Binaries, err = mgmt.FindBinaries(ctx, programs.root, os.Stderr); err != nil {
		return 0, err
	}
	programs.manager, programs.release = filepath.Join(dir, "manager"), filepath.Join(dir, "release")
	if err := user.Command(ctx, programs.root, "go", "build", "-o", programs.manager, "."); err != nil {
		return 0, err
	}
	if err := user.Release(ctx, programs.root, programs.release); err != nil {
		return 0, err
	}
	return m.Run(), nil
}
