// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command bench measures clusters of booted machines: how a worker becomes a node, how long clients
// miss the API server when the VIP moves, how fast pods are in both modes beside their hosts, and
// how a patch is installed in place. It prints tables and asserts nothing.
//
//	make bench-lab RUNS=10 PARTS=network,upgrade
//
// It must run as root, and reports other missing requirements.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/enter"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\nThe benchmark failed: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	runs := 10
	if text := os.Getenv("RUNS"); text != "" {
		if runs, err = strconv.Atoi(text); err != nil || runs < 1 {
			return fmt.Errorf("RUNS must be a number from 1 on, not %q", text)
		}
	}
	parts, err := partsOf(os.Getenv("PARTS"))
	if err != nil {
		return err
	}
	root, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the repository: %w", err)
	}
	if !enter.Inside() {
		if err := enter.Preflight(ctx); err != nil {
			return err
		}
	}
	dir := filepath.Join(root, "out", "bench-lab")
	programs, err := world.Prepare(ctx, root, filepath.Join(dir, "programs"), os.Stderr)
	if err != nil {
		return err
	}
	enter.Enter()
	klog.LogToStderr(false)
	klog.SetOutput(&discard{})
	ctrl.SetLogger(klog.Background())
	return (&bench{runs: runs, options: world.Options{Dir: filepath.Join(dir, "world"), Programs: programs,
		Accounts: []string{"alpha", "bravo", "charlie"}, Management: true, Progress: os.Stderr}}).run(ctx, parts)
}

type discard struct{}

func (*discard) Write(p []byte) (int, error) { return len(p), nil }
