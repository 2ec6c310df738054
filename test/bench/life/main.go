// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command life measures one cluster's life, phase by phase, for two endpoint types: a real API
// server, the manager as a process with its defaults, one simulated account and a simulated
// tailnet. It asserts nothing. A phase ends when its objects are Ready, or gone:
//
//	network       from the OCIMeshCluster and the templates of its machines
//	controlPlane  the first control plane
//	worker        one worker
//	tenWorkers    ten workers at once
//	workerAway    one of them is deleted
//	rest          nothing happens
//	delete        the workers, then the control plane, then the cluster
//
// The floor of a phase is the sum of the simulated delays that follow each other in it.
//
//	ENDPOINTS=NetworkLoadBalancer,TailnetVIP   endpoint types
//	NETWORK=10s     how long subnets and load balancers take to come and to go
//	BOOT=30s        time from a launch until the machine has joined the tailnet
//	REST=3m         how long the phase rest lasts
//	TAILNET=Headscale another control server than Tailscale's
//	FORMAT=json     an object a line instead of a table
//	ARGS="--v=4"    more flags for the manager
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/fleet"
)

// settings come from the environment.
type settings struct {
	root, out           string
	endpoints           []infrav1.EndpointType
	network, boot, rest time.Duration
	tailnet             tailnetsim.Mode
	json                bool
	args                []string
}

func main() { os.Exit(fleet.Main(run)) }

func run(ctx context.Context) error {
	s, err := fromEnvironment()
	if err != nil {
		return err
	}
	var results []*result
	for _, endpoint := range s.endpoints {
		of, err := live(ctx, s, endpoint)
		// What was measured is told, even if a later phase fails.
		results = append(results, of...)
		if s.json {
			if e := printJSON(os.Stdout, of); e != nil {
				return e
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", endpoint, err)
		}
	}
	if !s.json {
		printTables(os.Stdout, results)
	}
	return nil
}

func fromEnvironment() (settings, error) {
	s := settings{
		endpoints: []infrav1.EndpointType{infrav1.EndpointNetworkLoadBalancer, infrav1.EndpointTailnetVIP},
		network:   10 * time.Second, boot: 30 * time.Second, rest: 3 * time.Minute,
		tailnet: tailnetsim.Mode(os.Getenv("TAILNET")), json: os.Getenv("FORMAT") == "json", args: strings.Fields(os.Getenv("ARGS")),
	}
	var err error
	if s.root, err = fleet.Repository("bench-life"); err != nil {
		return s, err
	}
	s.out = filepath.Join(s.root, "out", "life")
	if text := os.Getenv("ENDPOINTS"); text != "" {
		s.endpoints = nil
		for _, word := range strings.Split(text, ",") {
			s.endpoints = append(s.endpoints, infrav1.EndpointType(strings.TrimSpace(word)))
		}
	}
	if err := fleet.Durations(map[string]*time.Duration{"NETWORK": &s.network, "BOOT": &s.boot, "REST": &s.rest}); err != nil {
		return s, err
	}
	return s, nil
}
