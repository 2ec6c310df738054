// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/fleet"
)

const (
	// requestRate and requestBurst limit a simulated account. Oracle publishes no figures; these
	// are of the order of users' reports of throttling, and below the sum of the manager's own
	// budgets.
	requestRate, requestBurst = 10, 40
	// fewest is the minimum of calls for a worker, for any provider: the launch, and its address.
	fewest = 2
	// machinesPerCluster is when another cluster is made.
	machinesPerCluster = 1000
	// scrapeInterval, once for each two thousand machines, is short beside the measured
	// times, and long beside the cost of a scrape to the manager, which counts all machines.
	scrapeInterval = time.Second
	// limit bounds each step, in case it never ends.
	limit = 30 * time.Minute
)

// accountsOf is over how many accounts a number of machines is spread.
func accountsOf(machines int) int {
	switch {
	case machines <= 100:
		return 3
	case machines <= 1000:
		return 10
	}
	return 50
}

// bench is the measurement of one size.
type bench struct {
	settings
	*fleet.Fleet
	dir    string
	result *result
}

func measure(ctx context.Context, s settings, machines int) (_ *result, err error) {
	b := &bench{settings: s, dir: filepath.Join(s.out, strconv.Itoa(machines)), result: &result{
		machines: machines, accounts: accountsOf(machines), clusters: 1 + (machines-1)/machinesPerCluster, at: time.Now(),
	}}
	if err := os.RemoveAll(b.dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		return nil, err
	}
	b.result.floor = b.floor()
	b.say("%d machines in %d clusters over %d accounts; at least %s by boot time and rate limits", machines, b.result.clusters,
		b.result.accounts, b.result.floor)
	b.Fleet, err = fleet.Start(ctx, fleet.Options{
		Root: s.root, Dir: b.dir, Accounts: b.result.accounts, Clusters: b.result.clusters, Tailnet: s.tailnet, Args: s.args, Environment: s.env,
		Delays: b.delays(), Join: s.boot - s.boot/9*4, RequestRate: requestRate, RequestBurst: requestBurst,
	})
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := b.Close(); err == nil {
			err = e
		}
	}()
	b.say("API server, manager, accounts and networks are there")
	if err := b.Prepare(ctx, machines); err != nil {
		return nil, err
	}
	b.say("Machines and their bootstrap data are there; OCIMeshMachines follow")
	for _, step := range []func(context.Context) error{b.up, b.atRest, b.lose, b.down} {
		bounded, cancel := context.WithTimeout(ctx, limit)
		err := step(bounded)
		cancel()
		if err != nil {
			return nil, err
		}
	}
	b.result.peak, err = peakMemory(b.Manager.PID())
	return b.result, err
}

// delays share the boot time out as a real instance does: two fifths until RUNNING, the rest until
// it has joined.
func (b *bench) delays() sim.Delays {
	return sim.Delays{
		Provision: b.boot / 9 * 2, Start: b.boot / 9 * 2, Stop: b.boot / 9, Terminate: b.boot / 9,
		Network: 100 * time.Millisecond, Volume: 100 * time.Millisecond, Retention: 10 * time.Minute, ListLag: time.Second,
	}
}

// floor is how long it takes at least: the boot time, and the calls of an account at its rate.
func (b *bench) floor() time.Duration {
	perAccount := float64(fewest*b.result.machines) / float64(b.result.accounts)
	return b.boot + time.Duration(max(0, perAccount-requestBurst)/requestRate*float64(time.Second)).Round(time.Second)
}

// up is from the first OCIMeshMachine created until all are provisioned.
func (b *bench) up(ctx context.Context) error {
	defer b.profiled(ctx, "up")()
	return b.phase(ctx, &b.result.up, func(ctx context.Context) error {
		ctx, created := b.beside(ctx, b.Launch)
		began := time.Now()
		err := b.await(ctx, func(m fleet.Metrics) string {
			provisioned := m.Sum("capom_machines", map[string]string{"phase": "provisioned"})
			b.result.curve = append(b.result.curve, point{time.Since(began), provisioned / float64(b.result.machines)})
			if int(provisioned) < b.result.machines {
				return fmt.Sprintf("%d of %d provisioned", int(provisioned), b.result.machines)
			}
			return ""
		})
		if err != nil {
			return errors.Join(err, b.JoinFailure())
		}
		return <-created
	})
}

// atRest watches for some time and extrapolates to an hour: the manager has its default intervals
// of a minute and less, so some minutes show everything but the resync every ten minutes.
func (b *bench) atRest(ctx context.Context) error {
	b.say("waiting for the last to settle")
	if err := fleet.Pause(ctx, 30*time.Second); err != nil {
		return err
	}
	b.say("at rest for %s", b.rest)
	return b.phase(ctx, &b.result.rest, func(ctx context.Context) error { return fleet.Pause(ctx, b.rest) })
}

// lose takes every hundredth instance away, and waits until all are noticed.
func (b *bench) lose(ctx context.Context) error {
	lost := 0
	for i, name := range b.Accounts {
		instances, err := b.OCI.Machines(name)
		if err != nil {
			return err
		}
		share := b.result.machines/100*(i+1)/len(b.Accounts) - b.result.machines/100*i/len(b.Accounts)
		for _, instance := range instances[:min(share, len(instances))] {
			if err := b.OCI.TerminateInstance(instance.ID); err != nil {
				return err
			}
			lost++
		}
	}
	b.result.lost = lost
	return b.phase(ctx, &b.result.notice, func(ctx context.Context) error {
		return b.await(ctx, func(m fleet.Metrics) string {
			noticed := int(m.Sum("capom_machines", map[string]string{"phase": "not-ready"}))
			if noticed < lost {
				return fmt.Sprintf("%d of %d losses noticed", noticed, lost)
			}
			return ""
		})
	})
}

// down is from the deletion of all machines until none is left.
func (b *bench) down(ctx context.Context) error {
	defer b.profiled(ctx, "down")()
	return b.phase(ctx, &b.result.down, func(ctx context.Context) error {
		ctx, deleted := b.beside(ctx, b.Delete)
		err := b.await(ctx, func(m fleet.Metrics) string {
			if left := int(m.Sum("capom_machines", nil)); left > 0 {
				return fmt.Sprintf("%d of %d left", left, b.result.machines)
			}
			return ""
		})
		if err != nil {
			return err
		}
		b.result.leftover = len(b.Control.Leftovers().Devices) + len(b.Control.Leftovers().Keys)
		for _, name := range b.Accounts {
			instances, err := b.OCI.Machines(name)
			if err != nil {
				return err
			}
			b.result.leftover += len(instances)
		}
		return <-deleted
	})
}

// beside runs something in the background, for an observer of its effects; if it fails, the context
// ends with its error.
func (b *bench) beside(ctx context.Context, run func(context.Context) error) (context.Context, <-chan error) {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan error, 1)
	go func() {
		err := run(ctx)
		if err != nil {
			cancel(err)
		}
		ended <- err
	}()
	return ctx, ended
}

// await looks at the manager's metrics until nothing is missing, and tells of progress.
func (b *bench) await(ctx context.Context, missing func(fleet.Metrics) string) error {
	said, told := "", time.Time{}
	interval := scrapeInterval * time.Duration(max(1, b.result.machines/2000))
	return b.Await(ctx, interval, func(ctx context.Context) (string, error) {
		metrics, err := b.Diagnostics.Scrape(ctx)
		if err != nil {
			return "", err
		}
		text := missing(metrics)
		if text != "" && text != said && time.Since(told) > 10*time.Second {
			b.say("%s; calls held back %.0f, throttled %.0f", text, metrics.Sum("capom_oci_held_back_total", nil),
				metrics.Sum("capom_oci_requests_total", map[string]string{"code": "Throttled"}))
			said, told = text, time.Now()
		}
		return text, nil
	})
}

// say prints a line of progress.
func (b *bench) say(format string, args ...any) {
	fmt.Printf("%6s  %5d  %s\n", time.Since(b.result.at).Round(time.Second), b.result.machines, fmt.Sprintf(format, args...))
}

// profiled takes, on request, a CPU profile of a phase's first minute and, at its end, one of the
// heap. The profile may outlast the phase; its time does not count as the phase's.
func (b *bench) profiled(ctx context.Context, name string) (stop func()) {
	if !b.profile {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.save(ctx, "/debug/pprof/profile?seconds=50", name+"-cpu.pprof")
	}()
	return func() {
		b.save(ctx, "/debug/pprof/heap", name+"-heap.pprof")
		<-done
	}
}

func (b *bench) save(ctx context.Context, path, file string) {
	data, err := b.Diagnostics.Get(ctx, path)
	if err == nil {
		err = os.WriteFile(filepath.Join(b.dir, file), data, 0o600)
	}
	if err != nil {
		b.say("no profile: %v", err)
	}
}
