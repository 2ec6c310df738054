// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"os"
	"strconv"
)

// SeedVariable is the environment variable with the seed for all simulators of a test. Without it,
// most have no variety.
const SeedVariable = "CAPOM_OCISIM_SEED"

// SeedOfEnvironment is the seed in SeedVariable; 0 if there is none.
func SeedOfEnvironment() uint64 {
	seed, _ := strconv.ParseUint(os.Getenv(SeedVariable), 10, 64)
	return seed
}
