// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/kit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

const (
	createTimeout = 15 * time.Minute
	settleTimeout = 5 * time.Minute
)

// bench measures clusters, one after the other.
type bench struct {
	options world.Options
	runs    int
	world   *world.World
}

// part is what is measured in a world of its own.
type part struct {
	name string
	// inPlace opens the gates for updates in place.
	inPlace bool
	run     func(*bench, context.Context) error
}

var allParts = []part{{name: "network", run: (*bench).network}, {name: "upgrade", inPlace: true, run: (*bench).upgrade}}

// partsOf are the named parts, all for no names.
func partsOf(names string) ([]part, error) {
	if names == "" {
		return allParts, nil
	}
	var parts []part
	for _, name := range strings.Split(names, ",") {
		i := slices.IndexFunc(allParts, func(p part) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("PARTS: there is no %q", name)
		}
		parts = append(parts, allParts[i])
	}
	return parts, nil
}

func (b *bench) run(ctx context.Context, parts []part) error {
	for _, p := range parts {
		if err := b.in(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

func (b *bench) in(ctx context.Context, p part) (err error) {
	options := b.options
	options.Dir, options.InPlaceUpdates = filepath.Join(options.Dir, p.name), p.inPlace
	if b.world, err = world.Start(ctx, options); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.world.Close()) }()
	return p.run(b, ctx)
}

// network measures a cluster of each mode.
func (b *bench) network(ctx context.Context) error {
	vxlan, err := b.cluster(ctx, world.ClusterOptions{Name: "vxlan", Version: kit.NewVersion, ControlPlanes: 3, Workers: 2})
	if err != nil {
		return err
	}
	if err := b.timeline(ctx, vxlan); err != nil {
		return err
	}
	if err := b.failovers(ctx, vxlan); err != nil {
		return err
	}
	speeds := []path{}
	if speeds, err = b.measure(ctx, vxlan, "VXLAN", speeds); err != nil {
		return err
	}
	if err := b.remove(ctx, vxlan); err != nil {
		return err
	}
	// The default range is that of the cluster behind the connector.
	routes, err := b.cluster(ctx, world.ClusterOptions{
		Name: "routes", Flavor: "tailnet-routes", Version: kit.NewVersion, ControlPlanes: 1, Workers: 2, Variables: []string{"POD_CIDR=10.245.0.0/16"},
	})
	if err != nil {
		return err
	}
	if speeds, err = b.measure(ctx, routes, "TailnetRoutes", speeds); err != nil {
		return err
	}
	printSpeeds(speeds)
	return b.remove(ctx, routes)
}

func (b *bench) cluster(ctx context.Context, o world.ClusterOptions) (*world.Cluster, error) {
	fmt.Fprintf(os.Stderr, "cluster %s: %d control planes, %d workers ...\n", o.Name, o.ControlPlanes, o.Workers)
	begun := time.Now()
	c, err := b.world.CreateCluster(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := c.WaitComplete(ctx, createTimeout, o.Version, nil); err != nil {
		return nil, err
	}
	if err := b.world.WaitFor(ctx, settleTimeout, c.MissingPods); err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "cluster %s is complete after %.0f s\n", o.Name, time.Since(begun).Seconds())
	return c, nil
}

func (b *bench) remove(ctx context.Context, c *world.Cluster) error {
	if err := c.Delete(ctx); err != nil {
		return err
	}
	return c.WaitGone(ctx, settleTimeout, nil)
}

// timeline adds one worker while nothing else happens.
func (b *bench) timeline(ctx context.Context, c *world.Cluster) error {
	before, err := c.Snapshot(ctx)
	if err != nil {
		return err
	}
	if err := c.SetWorkers(ctx, c.Workers+1); err != nil {
		return err
	}
	if err := c.WaitComplete(ctx, createTimeout, c.Version, nil); err != nil {
		return err
	}
	after, err := c.Snapshot(ctx)
	if err != nil {
		return err
	}
	for _, m := range after.Machines {
		if m.Role != watch.Worker || before.Has(m.Name) {
			continue
		}
		events, err := c.Timeline(ctx, m)
		if err != nil {
			return err
		}
		printTimeline(events)
	}
	return nil
}

func printTimeline(events []world.Event) {
	fmt.Println("\nA worker comes up")
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprint(table, "EVENT\tAFTER\tSTEP\n")
	last := events[0].At
	for _, e := range events {
		fmt.Fprintf(table, "%s\t%.1f s\t%.1f s\n", e.Name, e.At.Sub(events[0].At).Seconds(), e.At.Sub(last).Seconds())
		last = e.At
	}
	_ = table.Flush()
}
