// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package varied runs tests with the answers of the OCI simulator varied.
package varied

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// Run runs a test without variety, with so many seeds that are the same each time, and with one
// that differs; with the one of sim.SeedVariable only, if that is set. The name of a subtest says
// its seed.
func Run(t *testing.T, seeds int, run func(t *testing.T, seed uint64)) {
	t.Helper()
	all := []uint64{0}
	for seed := range seeds {
		all = append(all, uint64(seed)+1) //nolint:gosec // A few.
	}
	all = append(all, rand.Uint64N(1e6)+1e3) //nolint:gosec // No secret.
	if seed := sim.SeedOfEnvironment(); seed != 0 {
		all = []uint64{seed}
	}
	for _, seed := range all {
		t.Run(fmt.Sprintf("%s=%d", sim.SeedVariable, seed), func(t *testing.T) { run(t, seed) })
	}
}
