// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

const (
	controlPlanes = 3
	workers       = 2

	createTimeout = 25 * time.Minute
	podsTimeout   = 10 * time.Minute
	deleteTimeout = 15 * time.Minute
)

// lab is a run of the command.
type lab struct {
	screen   *watch.Screen
	dir      string
	programs world.Programs
	keep     bool

	world   *world.World
	cluster *world.Cluster
	started time.Time
	phases  []phase
}

type phase struct {
	name string
	took time.Duration
}

type step struct {
	name string
	run  func(*lab, context.Context) error
	// unlessKept leaves the step out with KEEP=1.
	unlessKept bool
}

var steps = []step{
	{name: "Start three OCI accounts behind NAT, a coordination server, and the management cluster on the tailnet", run: (*lab).start},
	{name: fmt.Sprintf("Create a cluster of real machines: %d control planes, %d workers", controlPlanes, workers), run: (*lab).create},
	{name: "Look at the nodes: tailnet addresses, provider IDs", run: (*lab).checkNodes},
	{name: "Have a pod on each node reach every other pod, the API server's Service and a Service by name", run: (*lab).checkPods},
	{name: "Delete the cluster", run: (*lab).delete, unlessKept: true},
	{name: "Look for anything left behind", run: (*lab).proveNothingLeft, unlessKept: true},
}

func (l *lab) run(ctx context.Context) error {
	l.started = time.Now()
	for i, s := range steps {
		if s.unlessKept && l.keep {
			continue
		}
		l.screen.Title(fmt.Sprintf("[%d/%d] %s", i+1, len(steps), s.name))
		begun := time.Now()
		err := s.run(l, ctx)
		l.phases = append(l.phases, phase{s.name, time.Since(begun)})
		if err != nil {
			l.screen.Freeze()
			fmt.Fprintf(l.screen.Out(), "\nLogs, consoles and disks: %s\n", l.dir)
			return fmt.Errorf("%s: %w", s.name, err)
		}
		l.screen.Done(time.Since(begun))
	}
	l.printTable()
	if l.keep {
		return l.hold(ctx)
	}
	return nil
}

func (l *lab) printTable() {
	l.screen.Freeze()
	table := tabwriter.NewWriter(l.screen.Out(), 0, 8, 2, ' ', 0)
	fmt.Fprint(table, "\nPHASE\tTIME\n")
	for _, p := range l.phases {
		fmt.Fprintf(table, "%s\t%s\n", p.name, watch.Seconds(p.took))
	}
	fmt.Fprintf(table, "all\t%s\n", watch.Seconds(time.Since(l.started)))
	_ = table.Flush()
}

func (l *lab) start(ctx context.Context) (err error) {
	l.world, err = world.Start(ctx, world.Options{Dir: l.dir, Programs: l.programs, Accounts: []string{"alpha", "bravo", "charlie"},
		Management: true, Progress: l.screen})
	return err
}

func (l *lab) create(ctx context.Context) (err error) {
	l.cluster, err = l.world.CreateCluster(ctx, world.ClusterOptions{Name: "lab", Version: kit.NewVersion, ControlPlanes: controlPlanes, Workers: workers})
	if err != nil {
		return err
	}
	return l.cluster.WaitComplete(ctx, createTimeout, kit.NewVersion, l.show)
}

func (l *lab) show(s watch.Snapshot) { l.screen.Show(s.Rows(), time.Since(l.started)) }

func (l *lab) checkNodes(ctx context.Context) error {
	lines, err := l.cluster.CheckNodes(ctx)
	for _, line := range lines {
		l.screen.Note(line)
	}
	return err
}

func (l *lab) checkPods(ctx context.Context) error {
	return l.world.WaitFor(ctx, podsTimeout, func(ctx context.Context) string { return l.cluster.MissingPods(ctx) })
}

func (l *lab) delete(ctx context.Context) error {
	if err := l.cluster.Delete(ctx); err != nil {
		return err
	}
	return l.cluster.WaitGone(ctx, deleteTimeout, l.show)
}

func (l *lab) proveNothingLeft(context.Context) error { return l.world.NothingLeft() }

// hold keeps everything up until the user ends it; it fails when a manager ends before.
func (l *lab) hold(ctx context.Context) error {
	fmt.Fprintf(l.screen.Out(), `
The cluster is up, and stays up until you press Ctrl-C. In another terminal, as root:

  nsenter --target %d --net --pid --mount bash
  export KUBECONFIG=%s
  kubectl get cluster-api,ociaccounts,tailnets -A

hack/binaries.sh kubectl prints the path of a kubectl. Logs and consoles are in %s.
`, l.world.HostPID(), l.world.Management.Kubeconfig, l.dir)
	select {
	case <-ctx.Done():
		return nil
	case err := <-l.world.Management.Failed():
		return err
	}
}

func (l *lab) close() error {
	if l.world == nil {
		return nil
	}
	l.screen.Title("Clean up")
	return l.world.Close()
}
