// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// Main is a benchmark's: it runs until it ends or is interrupted, and returns the exit code. The
// logs of what it runs in its own process are discarded.
func Main(run func(context.Context) error) (code int) {
	klog.SetLogger(logr.Discard())
	ctrl.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "\nThe benchmark failed: %v\n", err)
		return 1
	}
	return 0
}

// Repository is the folder that a benchmark runs in. target is what make has it under.
func Repository(target string) (string, error) {
	root, err := os.Getwd()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(root, "metadata.yaml")); err != nil {
		return "", fmt.Errorf("run the benchmark in the repository's folder: make %s", target)
	}
	return root, nil
}

// Durations reads those that the environment has.
func Durations(of map[string]*time.Duration) error {
	for name, into := range of {
		text := os.Getenv(name)
		if text == "" {
			continue
		}
		var err error
		if *into, err = time.ParseDuration(text); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// Pause lets a time pass.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
