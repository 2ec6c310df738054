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
	// on new connections.
	megabits, milliseconds float64
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
	pods, err := speedOf(ctx, mode+": pod to pod", b.at(from, from.pod.Status.PodIP), to.pod.Status.PodIP)
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
	hosts, err := speedOf(ctx, mode+": host to host", b.at(from, "127.0.0.1"), to.address)
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

func speedOf(ctx context.Context, name string, ask asker, to string) (path, error) {
	p := path{name: name}
	var megabits, milliseconds []float64
	for range streams {
		a, err := ask(ctx, "stream", "to", to)
		value, ok := a.Value.(float64)
		if err != nil || a.Error != "" || !ok {
			return p, fmt.Errorf("%s: a stream fails: %w", name, errors.Join(err, errors.New(a.Error)))
		}
		megabits = append(megabits, value)
	}
	for range requests {
		a, err := ask(ctx, "ask", "url", "http://"+to+":8080/")
		if err != nil || a.Error != "" {
			return p, fmt.Errorf("%s: a request fails: %w", name, errors.Join(err, errors.New(a.Error)))
		}
		milliseconds = append(milliseconds, a.Seconds*1000)
	}
	slices.Sort(megabits)
	slices.Sort(milliseconds)
	p.megabits, p.milliseconds = megabits[len(megabits)/2], milliseconds[len(milliseconds)/2]
	fmt.Fprintf(os.Stderr, "%s: %.0f Mbit/s, %.2f ms\n", name, p.megabits, p.milliseconds)
	return p, nil
}

// printSpeeds compares each way with the first one.
func printSpeeds(paths []path) {
	fmt.Println("\nPods in both modes beside their hosts: the median of some streams, and of requests on new connections")
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintf(table, "WAY\tMBIT/S\tOF %s\tREQUEST\n", paths[0].name)
	for _, p := range paths {
		fmt.Fprintf(table, "%s\t%.0f\t%.1f x\t%.2f ms\n", p.name, p.megabits, p.megabits/paths[0].megabits, p.milliseconds)
	}
	_ = table.Flush()
}
