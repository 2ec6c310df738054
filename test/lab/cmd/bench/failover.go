// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

// disturbance takes the VIP from its holder, and gives it back.
type disturbance struct {
	name          string
	begin, repair string
	link          bool
	observations  []time.Duration
}

// failovers has a client watch the endpoint while its holder is disturbed.
func (b *bench) failovers(ctx context.Context, c *world.Cluster) error {
	disturbances := []*disturbance{
		{name: "the holder's network is cut", link: true},
		{name: "its API server ends, so that the route is withdrawn",
			begin: "mv /etc/kubernetes/manifests/kube-apiserver.yaml /etc/kubernetes/", repair: "mv /etc/kubernetes/kube-apiserver.yaml /etc/kubernetes/manifests/"},
		{name: "its tailscaled ends", begin: "systemctl stop tailscaled", repair: "systemctl start tailscaled"},
	}
	for _, d := range disturbances {
		for run := range b.runs {
			outage, err := b.failover(ctx, c, d)
			if err != nil {
				return fmt.Errorf("%s, run %d: %w", d.name, run+1, err)
			}
			fmt.Fprintf(os.Stderr, "%s: run %d of %d: %.1f s\n", d.name, run+1, b.runs, outage.Seconds())
			d.observations = append(d.observations, outage)
		}
	}
	printFailovers(disturbances)
	return nil
}

func (b *bench) failover(ctx context.Context, c *world.Cluster, d *disturbance) (time.Duration, error) {
	holder, err := b.holder(ctx, c)
	if err != nil {
		return 0, err
	}
	o, err := c.Observe(ctx)
	if err != nil {
		return 0, err
	}
	defer o.Stop()
	if err := b.disturb(ctx, holder, d.begin, d.link, false); err != nil {
		return 0, err
	}
	err = b.world.WaitFor(ctx, settleTimeout, func(ctx context.Context) string {
		now, err := b.holder(ctx, c)
		seen, up := o.Seen()
		if err != nil || now.Name == holder.Name || !up || seen.Failed == 0 {
			return "the VIP to move and the API server to answer there"
		}
		return ""
	})
	if err != nil {
		return 0, err
	}
	outage := o.Stop().Longest
	if err := b.disturb(ctx, holder, d.repair, d.link, true); err != nil {
		return 0, err
	}
	return outage, b.world.WaitFor(ctx, settleTimeout, func(ctx context.Context) string {
		out, err := b.world.Machine(holder.Instance).Exec(ctx, "sh", "-c", "test -e /run/capom/vip-held && tailscale status --peers=false >/dev/null && echo held")
		if err != nil || strings.TrimSpace(out) != "held" {
			return holder.Name + " to be there again"
		}
		if s, err := c.Snapshot(ctx); err != nil || s.Complete(c.ControlPlanes, c.Workers, c.Version) != "" {
			return "the cluster to be whole again"
		}
		return ""
	})
}

func (b *bench) disturb(ctx context.Context, m watch.Machine, command string, link, up bool) error {
	if link {
		return b.world.Wire(m.Instance).SetLink(ctx, up)
	}
	_, err := b.world.Machine(m.Instance).Exec(ctx, "sh", "-c", command)
	return err
}

// holder is the machine receiving clients from the tailnet.
func (b *bench) holder(ctx context.Context, c *world.Cluster) (watch.Machine, error) {
	s, err := c.Snapshot(ctx)
	if err != nil {
		return watch.Machine{}, err
	}
	vip, err := netip.ParseAddr(s.Infra.Spec.ControlPlaneEndpoint.Host)
	if err != nil {
		return watch.Machine{}, err
	}
	device, err := b.world.Tailnet.PrimaryRouter(ctx, netip.PrefixFrom(vip, 32))
	if err != nil {
		return watch.Machine{}, err
	}
	i := slices.IndexFunc(s.Machines, func(m watch.Machine) bool { return strings.HasPrefix(device.Hostname, m.Name) })
	if i < 0 {
		return watch.Machine{}, fmt.Errorf("%s is no machine of the cluster", device.Hostname)
	}
	return s.Machines[i], nil
}

func printFailovers(disturbances []*disturbance) {
	fmt.Println("\nThe VIP moves: how long a client that asks five times a second gets no answer")
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprint(table, "WHEN\tRUNS\tMINIMUM\tMEDIAN\tMAXIMUM\n")
	for _, d := range disturbances {
		slices.Sort(d.observations)
		n := len(d.observations)
		fmt.Fprintf(table, "%s\t%d\t%.1f s\t%.1f s\t%.1f s\n", d.name, n, d.observations[0].Seconds(), d.observations[n/2].Seconds(), d.observations[n-1].Seconds())
	}
	_ = table.Flush()
}
