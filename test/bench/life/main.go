// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command life measures one cluster's life, phase by phase, for each endpoint type: a real API
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
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
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

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\nThe benchmark failed: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	klog.SetLogger(logr.Discard())
	ctrl.SetLogger(logr.Discard())
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
	if s.root, err = os.Getwd(); err != nil {
		return s, err
	}
	if _, err := os.Stat(filepath.Join(s.root, "metadata.yaml")); err != nil {
		return s, errors.New("run the benchmark in the repository's folder: make bench-life")
	}
	s.out = filepath.Join(s.root, "out", "life")
	if text := os.Getenv("ENDPOINTS"); text != "" {
		s.endpoints = nil
		for _, word := range strings.Split(text, ",") {
			s.endpoints = append(s.endpoints, infrav1.EndpointType(strings.TrimSpace(word)))
		}
	}
	for name, into := range map[string]*time.Duration{"NETWORK": &s.network, "BOOT": &s.boot, "REST": &s.rest} {
		if text := os.Getenv(name); text != "" {
			if *into, err = time.ParseDuration(text); err != nil {
				return s, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return s, nil
}
