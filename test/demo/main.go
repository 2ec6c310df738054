// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command demo makes a Kubernetes cluster over Always Free accounts of Oracle Cloud on one machine,
// which have no room for another machine, changes it, and deletes it, with nothing simulated but
// the paid services: Oracle Cloud (internal/testing/ocisim), the tailnet
// (internal/testing/tailnetsim) and the nodes on the machines (test/nodesim). The management
// cluster, Cluster API's managers, clusterctl and this provider are the real ones.
//
//	make demo          goes all the way and cleans up
//	make demo KEEP=1   stops once the cluster is up, until Ctrl-C
//
// Steps are listed in steps.go. It exits non-zero with the reason when a step
// fails; logs are then in out/demo.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

func main() {
	// A closed terminal or pipe must not leave managers behind either.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, stop)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\nThe demo failed: %v\n", err)
		os.Exit(1)
	}
}

// run goes through the demo. unseen is called when its output has no reader any more.
func run(ctx context.Context, unseen func()) (err error) {
	root, err := repositoryRoot()
	if err != nil {
		return err
	}
	dir, err := emptyFolder(root, "out", "demo")
	if err != nil {
		return err
	}
	if err := logToFile(filepath.Join(dir, "demo.log")); err != nil {
		return err
	}
	d := &demo{root: root, dir: dir, keep: os.Getenv("KEEP") != "", screen: watch.NewScreen(os.Stdout, unseen), started: time.Now()}
	defer func() { err = errors.Join(err, d.close()) }()
	go d.screen.Tick(ctx)
	return d.run(ctx)
}

// run goes through the steps, and shows the tables.
func (d *demo) run(ctx context.Context) error {
	for i, s := range steps {
		if s.unlessKept && d.keep {
			continue
		}
		d.screen.Title(fmt.Sprintf("[%d/%d] %s", i+1, len(steps), s.name))
		phase := d.begin(s.name)
		err := s.run(d, ctx)
		d.end(phase)
		if err != nil {
			d.screen.Freeze()
			d.explain(ctx)
			return fmt.Errorf("%s: %w", s.name, err)
		}
		d.screen.Done(phase.duration)
	}
	d.printTables()
	if d.keep {
		return d.hold(ctx)
	}
	return nil
}

// repositoryRoot is the folder of our go.mod, at or above the working directory.
func repositoryRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "metadata.yaml")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("run the demo inside the repository")
		}
		dir = parent
	}
}

func emptyFolder(elements ...string) (string, error) {
	dir := filepath.Join(elements...)
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("empty the folder of logs: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the folder of logs: %w", err)
	}
	return dir, nil
}

// logToFile keeps log lines of this process off the screen.
func logToFile(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create the demo's log: %w", err)
	}
	klog.LogToStderr(false)
	klog.SetOutput(file)
	ctrl.SetLogger(klog.Background())
	return nil
}
