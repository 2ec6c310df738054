// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
)

// Boundary is right before or right after a call.
type Boundary struct {
	// Call is a write with its number, as "POST oci instances#1": a process killed between two
	// writes leaves the same state behind at every read.
	Call  string
	After bool
}

func (b Boundary) String() string {
	if b.After {
		return "after " + b.Call
	}
	return "before " + b.Call
}

// Kind is the call without its number.
func (b Boundary) Kind() string {
	kind, _, _ := strings.Cut(b.Call, "#")
	return kind
}

// KillEverywhereVariable is the variable by which processes are killed at every write: "every".
const KillEverywhereVariable = "CAPOM_KILL_AT"

// chosen are the boundaries at the first write of each kind, unless every one is asked for: a life
// writes a status many times, and makes its second rule like its first.
func chosen(all []Boundary) []Boundary {
	if os.Getenv(KillEverywhereVariable) == "every" {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(b Boundary) bool { return !strings.HasSuffix(b.Call, "#1") })
}

// KillEverywhere runs an undisturbed life, and then, in parallel, one for each of its boundaries,
// killing the process there.
func KillEverywhere(t *testing.T, live func(t *testing.T, at *Boundary) *Mortal) {
	t.Helper()
	var boundaries []Boundary
	if !t.Run("undisturbed", func(t *testing.T) { boundaries = chosen(live(t, nil).Boundaries()) }) {
		return
	}
	var mu sync.Mutex
	reached, missed, ran := map[string]bool{}, 0, false
	t.Run("killed", func(t *testing.T) {
		WithoutRaceDetector(t)
		ran = true
		for _, at := range boundaries {
			t.Run(at.String(), func(t *testing.T) {
				t.Parallel()
				killed := live(t, &at).Killed()
				mu.Lock()
				defer mu.Unlock()
				if killed {
					reached[at.Kind()] = true
				} else {
					missed++
				}
			})
		}
	})
	if !ran {
		return
	}
	t.Logf("%d boundaries, of which %d were not reached: %v", len(boundaries), missed, boundaries)
	// How often a life writes a status, and whether it finds a used key still listed, depends on
	// timing. No life goes without what it makes and the end of its instances.
	for _, at := range boundaries {
		if strings.HasPrefix(at.Kind(), "POST ") || strings.HasPrefix(at.Kind(), "DELETE oci instances") {
			NewWithT(t).Expect(reached).To(HaveKey(at.Kind()), "no process was killed there")
		}
	}
}
