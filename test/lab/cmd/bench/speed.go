// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"

	corev1 "k8s.io/api/core/v1"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/podnetwork"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/lab/world"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/watch"
)

const (
	streams  = 3
	requests = 50
)

// path is a way between two nodes, and how fast it is.
type path struct {
	name string
	// megabits are a second's, the median of some streams; milliseconds are the median of requests
	// on new connections; connections are a second's, one after the other.
	megabits, milliseconds, connections float64
	// packets are what the sender's tailscaled takes in a second of streams: the larger they are,
	// the fewer. processor is what both ends' tailscaled need for a Gbit, in seconds.
	packets, processor float64
}

// asker asks a probe, or a host with one, to do something.
type asker func(ctx context.Context, do, parameter, value string) (podnetwork.Answer, error)

// measure measures from the pod on one worker to the pod on another, and from host to host.
func (b *bench) measure(ctx context.Context, c *world.Cluster, mode string, paths []path) ([]path, error) {
	probes, err := c.Probes(ctx)
	if err != nil {
		return nil, err
	}
	from, to, err := b.pair(ctx, c, probes)
	if err != nil {
		return nil, err
	}
	pods, err := b.speedOf(ctx, mode+": pod to pod", from, to, from.pod.Status.PodIP, to.pod.Status.PodIP)
	if err != nil {
		return nil, err
	}
	for _, end := range []end{from, to} {
		if _, err := b.world.Machine(end.instance).Exec(ctx, "systemd-run", "--quiet", "--unit=lab-serve", "/opt/capom-lab/node", "serve"); err != nil {
			return nil, err
		}
		// It can be streamed to once it answers.
		if _, err := b.at(end, "127.0.0.1")(ctx, "ask", "url", "http://127.0.0.1:8080/"); err != nil {
			return nil, err
		}
	}
	hosts, err := b.speedOf(ctx, mode+": host to host", from, to, "127.0.0.1", to.address)
	return append(paths, pods, hosts), err
}

// at asks from the machine itself: the API server's proxy is slow to answer while streams take the
// processors.
func (b *bench) at(e end, address string) asker {
	return func(ctx context.Context, do, parameter, value string) (a podnetwork.Answer, err error) {
		out, err := b.world.Machine(e.instance).Exec(ctx, "curl", "-sS", "--max-time", "30", "--retry", "5", "--retry-connrefused", "-G",
			"http://"+address+":8080/"+do, "--data-urlencode", parameter+"="+value)
		if err == nil {
			err = json.Unmarshal([]byte(out), &a)
		}
		return a, err
	}
}

// end is a node with its probe.
type end struct {
	pod               corev1.Pod
	instance, address string
}

// pair are two workers in different accounts.
func (b *bench) pair(ctx context.Context, c *world.Cluster, probes *podnetwork.Probes) (from, to end, err error) {
	nodes, err := c.Nodes(ctx)
	if err != nil {
		return from, to, err
	}
	s, err := c.Snapshot(ctx)
	if err != nil {
		return from, to, err
	}
	var ends []end
	accounts := map[string]bool{}
	for _, m := range s.Machines {
		for _, node := range nodes {
			i := slices.IndexFunc(probes.Pods, func(p corev1.Pod) bool { return p.Spec.NodeName == node.Name })
			if m.Role == watch.Worker && node.Spec.ProviderID == "oci://"+m.Instance && i >= 0 && !accounts[m.Account] {
				accounts[m.Account] = true
				ends = append(ends, end{probes.Pods[i], m.Instance, world.InternalIP(node).String()})
			}
		}
	}
	if len(ends) < 2 {
		return from, to, errors.New("there are no two workers in different accounts")
	}
	return ends[len(ends)-2], ends[len(ends)-1], nil
}

// speedOf measures a way from one node to another: whoever answers at asked sends to address.
func (b *bench) speedOf(ctx context.Context, name string, from, to end, asked, address string) (path, error) {
	p := path{name: name}
	ask := b.at(from, asked)
	var err error
	if p.megabits, p.packets, p.processor, err = b.stream(ctx, ask, from, to, address); err != nil {
		return p, fmt.Errorf("%s: a stream fails: %w", name, err)
	}
	var milliseconds []float64
	for range requests {
		a, err := ask(ctx, "ask", "url", "http://"+address+":8080/")
		if err != nil || a.Error != "" {
			return p, fmt.Errorf("%s: a request fails: %w", name, errors.Join(err, errors.New(a.Error)))
		}
		milliseconds = append(milliseconds, a.Seconds*1000)
	}
	slices.Sort(milliseconds)
	p.milliseconds = milliseconds[len(milliseconds)/2]
	if p.connections, _, err = number(ask(ctx, "connect", "to", address)); err != nil {
		return p, fmt.Errorf("%s: a connection fails: %w", name, err)
	}
	fmt.Fprintf(os.Stderr, "%s: %.0f Mbit/s, %.2f ms\n", name, p.megabits, p.milliseconds)
	return p, nil
}

// stream sends some streams, one after the other, and tells what they cost.
func (b *bench) stream(ctx context.Context, ask asker, from, to end, address string) (megabits, packets, processor float64, err error) {
	var rates []float64
	var sent, seconds float64
	before, err := b.costs(ctx, from, to)
	if err != nil {
		return 0, 0, 0, err
	}
	for range streams {
		rate, took, err := number(ask(ctx, "stream", "to", address))
		if err != nil {
			return 0, 0, 0, err
		}
		rates = append(rates, rate)
		sent += rate * took / 1000
		seconds += took
	}
	after, err := b.costs(ctx, from, to)
	if err != nil {
		return 0, 0, 0, err
	}
	slices.Sort(rates)
	return rates[len(rates)/2], (after.packets - before.packets) / seconds, (after.processor - before.processor) / sent, nil
}

// number is an answer that is one, with the seconds that it took.
func number(a podnetwork.Answer, err error) (value, seconds float64, _ error) {
	value, ok := a.Value.(float64)
	if err != nil || a.Error != "" || !ok {
		return 0, 0, errors.Join(err, errors.New(a.Error))
	}
	return value, a.Seconds, nil
}

// cost is what went into the sender's tailnet interface, and the seconds of processor that
// tailscaled took at both ends, since the boot.
type cost struct{ packets, processor float64 }

// /sys is another namespace's for who enters a machine; /proc/net is the asker's own.
const readCost = `awk '$1 == "tailscale0:" { print $11 }' /proc/net/dev
awk '{ print ($14 + $15) / 100 }' "/proc/$(systemctl show --property=MainPID --value tailscaled)/stat"`

func (b *bench) costs(ctx context.Context, from, to end) (cost, error) {
	var sum cost
	for _, e := range []end{from, to} {
		out, err := b.world.Machine(e.instance).Exec(ctx, "sh", "-c", readCost)
		if err != nil {
			return sum, err
		}
		var c cost
		if _, err := fmt.Sscan(out, &c.packets, &c.processor); err != nil {
			return sum, fmt.Errorf("read what tailscaled has done from %q: %w", out, err)
		}
		sum.processor += c.processor
		if e.instance == from.instance {
			sum.packets = c.packets
		}
	}
	return sum, nil
}

// printSpeeds compares each way with the first one.
func printSpeeds(paths []path) {
	fmt.Println("\nPods in both modes beside their hosts: the median of some streams, with what tailscaled takes and needs for them," +
		" and of requests on new connections")
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(table, "WAY\tMBIT/S\tOF %s\tPACKETS/S\tCPU/GBIT\tREQUEST\tCONNECTIONS/S\n", paths[0].name)
	for _, p := range paths {
		fmt.Fprintf(table, "%s\t%.0f\t%.1f x\t%.0f\t%.2f s\t%.2f ms\t%.0f\n",
			p.name, p.megabits, p.megabits/paths[0].megabits, p.packets, p.processor, p.milliseconds, p.connections)
	}
	_ = table.Flush()
}
