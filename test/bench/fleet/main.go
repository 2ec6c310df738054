// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Command fleet measures this provider with many machines in many accounts: a real API server, the
// manager as a process with its defaults, simulated accounts with a boot time and rate limits, a
// simulated tailnet. For each size it makes all machines at once, leaves them at rest, takes some
// away behind the provider's back, and deletes them. It asserts nothing: it prints a table, and
// writes it as CSV and SVG into out/bench.
//
//	SIZES=100,1000    numbers of machines; 100, 1,000 and 10,000 are over 3, 10 and 50 accounts
//	REST=3m           how long machines are watched at rest; what is counted then is told per hour
//	BOOT=90s          time from a launch until the machine has joined the tailnet
//	TAILNET=Headscale another control server than Tailscale's
//	PROFILE=1         writes CPU and heap profiles of the manager beside its log
//	ARGS="--v=4"      more flags for the manager
//	ENV="GOGC=50"     more of the manager's environment than its Deployment sets
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/fleet"
)

// settings come from the environment.
type settings struct {
	root, out  string
	sizes      []int
	rest, boot time.Duration
	tailnet    tailnetsim.Mode
	profile    bool
	args, env  []string
}

func main() { os.Exit(fleet.Main(run)) }

func run(ctx context.Context) error {
	s, err := fromEnvironment()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return fmt.Errorf("make the folder of results: %w", err)
	}
	var results []*result
	for _, size := range s.sizes {
		r, err := measure(ctx, s, size)
		if err != nil {
			return fmt.Errorf("%d machines: %w", size, err)
		}
		results = append(results, r)
		// The results so far are kept, even if a larger size fails.
		if err := write(s.out, results); err != nil {
			return err
		}
	}
	fmt.Println()
	printTable(os.Stdout, results)
	fmt.Printf("\nWritten to %s: fleet.csv, fleet.svg, operations.csv, and the managers' logs\n", s.out)
	return nil
}

func fromEnvironment() (settings, error) {
	s := settings{
		sizes: []int{100, 1000}, rest: 3 * time.Minute, boot: 90 * time.Second,
		tailnet: tailnetsim.Mode(os.Getenv("TAILNET")), profile: os.Getenv("PROFILE") != "", args: strings.Fields(os.Getenv("ARGS")),
		env: strings.Fields(os.Getenv("ENV")),
	}
	var err error
	if s.root, err = fleet.Repository("bench-fleet"); err != nil {
		return s, err
	}
	s.out = filepath.Join(s.root, "out", "bench")
	if err := fleet.Durations(map[string]*time.Duration{"REST": &s.rest, "BOOT": &s.boot}); err != nil {
		return s, err
	}
	if text := os.Getenv("SIZES"); text != "" {
		s.sizes = nil
		for _, word := range strings.Split(text, ",") {
			size, err := strconv.Atoi(strings.TrimSpace(word))
			if err != nil || size < 1 {
				return s, fmt.Errorf("SIZES: %q is no number of machines", word)
			}
			s.sizes = append(s.sizes, size)
		}
	}
	return s, nil
}
