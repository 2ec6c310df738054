// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command lab is the demo with real machines: Cluster API's managers and this repository's make a
// cluster over three simulated OCI accounts. Their instances are systemd-nspawn machines; these run
// the user data, join a real tailnet with tailscaled and become nodes with kubeadm.
//
//	make lab          goes all the way and cleans up
//	make lab KEEP=1   stops once the cluster is up, until Ctrl-C
//
// It must run as root, and reports other missing requirements.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/enter"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, stop)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\nThe lab failed: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, unseen func()) (err error) {
	root, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the repository: %w", err)
	}
	dir := filepath.Join(root, "out", "lab")
	screen := watch.NewScreen(os.Stdout, unseen)
	programs, err := prepare(ctx, root, dir, screen)
	if err != nil {
		return err
	}
	go screen.Tick(ctx)
	klog.LogToStderr(false)
	klog.SetOutput(&discard{})
	ctrl.SetLogger(klog.Background())
	l := &lab{screen: screen, dir: filepath.Join(dir, "world"), programs: programs, keep: os.Getenv("KEEP") != ""}
	defer func() { err = errors.Join(err, l.close()) }()
	return l.run(ctx)
}

// prepare builds missing parts outside, with Internet access; inside it only finds them again.
func prepare(ctx context.Context, root, dir string, screen *watch.Screen) (world.Programs, error) {
	if !enter.Inside() {
		if err := enter.Preflight(ctx); err != nil {
			return world.Programs{}, err
		}
		screen.Title("Build the provider, the programs and the images that the lab runs (only the first time takes minutes)")
	}
	programs, err := world.Prepare(ctx, root, filepath.Join(dir, "programs"), screen)
	if err != nil {
		return programs, err
	}
	enter.Enter()
	return programs, nil
}

type discard struct{}

func (*discard) Write(p []byte) (int, error) { return len(p), nil }
