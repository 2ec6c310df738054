// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/clouds"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/mgmt"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/user"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// demo holds the running parts, in the order of their start.
type demo struct {
	root, dir string
	keep      bool
	screen    *watch.Screen
	started   time.Time

	binaries mgmt.Binaries
	manager  string // path of this provider's manager
	release  string // folder of the clusterctl repository

	accounts []*user.Account
	clouds   *clouds.Clouds
	oci      *sim.Sim // the clouds'
	mgmt     *mgmt.Environment
	client   client.Client

	phases []*phase
	// spread are the machines per account after each phase with a change.
	spread []spread
	// applied are the objects of the generated cluster template.
	applied []client.Object
	// last is the last look at the cluster, edge at the second one.
	last, edge watch.Snapshot
	// pooled are the instances launched by OCI for the machine pool.
	pooled int
}

// phase is one completed step.
type phase struct {
	name     string
	start    time.Time
	duration time.Duration
	// calls are those made to OCI before it, then during it.
	before, calls map[string]int
	// launched and terminated are instances: those before it, then those during it.
	launched, terminated int
}

func (d *demo) begin(name string) *phase {
	p := &phase{name: name, start: time.Now(), before: d.callCounts()}
	p.launched, p.terminated = d.instances()
	d.phases = append(d.phases, p)
	return p
}

func (d *demo) end(p *phase) {
	p.duration = time.Since(p.start)
	launched, terminated := d.instances()
	p.launched, p.terminated = launched-p.launched, terminated-p.terminated
	p.calls = map[string]int{}
	for operation, n := range d.callCounts() {
		if more := n - p.before[operation]; more > 0 {
			p.calls[operation] = more
		}
	}
}

func (d *demo) callCounts() map[string]int {
	if d.oci == nil {
		return nil
	}
	return d.oci.CallCounts("")
}

// instances counts those that were ever launched and terminated for a machine.
func (d *demo) instances() (launched, terminated int) {
	if d.oci == nil {
		return 0, 0
	}
	launched, _ = d.callsTo("LaunchInstance")
	terminated, _ = d.callsTo("TerminateInstance")
	return launched, terminated
}

// close ends everything, the newest first.
func (d *demo) close() error {
	var errs []error
	if d.mgmt != nil {
		errs = append(errs, d.mgmt.Stop())
	}
	if d.clouds != nil {
		errs = append(errs, d.clouds.Close())
	}
	return errors.Join(errs...)
}

// waitFor polls the cluster until nothing is missing, and shows the progress. what returns the
// missing part, empty for none.
func (d *demo) waitFor(ctx context.Context, timeout time.Duration, what func(watch.Snapshot) string) error {
	return d.waitIn(ctx, namespace, timeout, what)
}

// waitIn is waitFor of the cluster in another namespace.
func (d *demo) waitIn(ctx context.Context, namespace string, timeout time.Duration, what func(watch.Snapshot) string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not done after %s", timeout))
	defer cancel()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	missing := "the first look at the cluster"
	for {
		s, err := watch.Take(ctx, d.client, namespace)
		if err == nil {
			d.last = s
			d.screen.Show(s.Rows(), time.Since(d.started))
			if missing = what(s); missing == "" {
				return nil
			}
			d.screen.Await(missing)
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), context.Canceled) {
				return errors.New("interrupted")
			}
			return fmt.Errorf("%w: waiting for %s", context.Cause(ctx), missing)
		case err := <-d.mgmt.Failed():
			return err
		case <-ticker.C:
		}
	}
}
