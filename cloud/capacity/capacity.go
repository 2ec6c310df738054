// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package capacity remembers the places without room, and how long to leave them out.
//
// It is pure: the caller passes the time.
package capacity

import (
	"slices"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

const (
	// DefaultFirst is how long a place is left out after its first shortage.
	DefaultFirst = 5 * time.Minute
	// DefaultMax is the longest time a place is left out.
	DefaultMax = 30 * time.Minute
	// maxShortages is the API's bound on status.shortages.
	maxShortages = 64
)

// Policy is how long a place is left out; it doubles with each shortage in a row.
type Policy struct {
	// First and Max are DefaultFirst and DefaultMax if zero.
	First, Max time.Duration
}

// Place is where a launch found no room.
type Place struct {
	Account, AvailabilityDomain, FaultDomain, Shape string
}

// IsShortage tells whether the error means a place without room.
func IsShortage(err error) bool {
	return cloud.IsKind(err, cloud.OutOfCapacity, cloud.LimitExceeded, cloud.QuotaExceeded)
}

// Record returns the shortages with the one from a failed launch. Hosts run out by fault domain and
// shape. Limits and quotas of compute and storage count in each availability domain for itself; one
// that counts in the whole region is found again in each. A shortage that ended longer than Max ago
// is forgotten: the next one there counts as the first. Source: OCI documentation, "Quota Policy
// Syntax", "Scope": "a quota of 120 OCPUs on a compartment actually sets a limit of 120 OCPUs per
// AD".
//
// It is for the shortages that one machine has found: more than the API allows are widened.
// ShortageCache is for those of all machines.
func Record(known []infrav1.Shortage, place Place, kind cloud.Kind, now time.Time, policy Policy) []infrav1.Shortage {
	return recordOne(known, shortageOf(place, kind), now, policy)
}

// recordOne is Record for any shortage.
func recordOne(known []infrav1.Shortage, one infrav1.Shortage, now time.Time, policy Policy) []infrav1.Shortage {
	kept, shortage := record(known, one, now, policy)
	kept = fit(append(kept, shortage))
	// The oldest shortages matter least.
	slices.SortStableFunc(kept, byEnd)
	return kept[max(0, len(kept)-maxShortages):]
}

func byEnd(a, b infrav1.Shortage) int { return a.Until.Compare(b.Until.Time) }

// record returns the shortages that are not too old, and the new one with its count and its end.
func record(known []infrav1.Shortage, one infrav1.Shortage, now time.Time, policy Policy) (kept []infrav1.Shortage, shortage infrav1.Shortage) {
	_, longest := policy.durations()
	shortage = one
	for _, old := range known {
		switch {
		case samePlace(old, shortage) && old.Until.Add(longest).After(now):
			shortage.Count = old.Count + 1
		case old.Until.Add(longest).After(now):
			kept = append(kept, old)
		}
	}
	shortage.Until.Time = now.Add(policy.LeftOut(shortage.Count))
	return kept, shortage
}

func shortageOf(place Place, kind cloud.Kind) infrav1.Shortage {
	shortage := infrav1.Shortage{
		Account: place.Account, AvailabilityDomain: place.AvailabilityDomain, FaultDomain: place.FaultDomain,
		Shape: place.Shape, Reason: string(kind), Count: 1,
	}
	if kind == cloud.LimitExceeded || kind == cloud.QuotaExceeded {
		shortage.FaultDomain = ""
	}
	return shortage
}

// fit widens shortages until they are no more than the API allows. Forgetting a place instead would
// have it tried again at once and, with more places than the bound, the machine would never rest; a
// neighbour left out with it is only tried later.
func fit(shortages []infrav1.Shortage) []infrav1.Shortage {
	for _, widen := range []func(*infrav1.Shortage){
		func(s *infrav1.Shortage) { s.FaultDomain = "" },
		func(s *infrav1.Shortage) { s.AvailabilityDomain = "" },
		func(s *infrav1.Shortage) { s.Shape = "" },
	} {
		if len(shortages) <= maxShortages {
			break
		}
		shortages = merge(shortages, widen)
	}
	return shortages
}

// merge makes one of the shortages of the same place, once they are widened: the last to end.
func merge(shortages []infrav1.Shortage, widen func(*infrav1.Shortage)) []infrav1.Shortage {
	var merged []infrav1.Shortage
	for _, wide := range shortages {
		widen(&wide)
		at := slices.IndexFunc(merged, func(other infrav1.Shortage) bool { return samePlace(other, wide) })
		switch {
		case at < 0:
			merged = append(merged, wide)
		case merged[at].Until.Before(&wide.Until):
			merged[at] = wide
		}
	}
	return merged
}

func samePlace(a, b infrav1.Shortage) bool {
	return a.Account == b.Account && a.AvailabilityDomain == b.AvailabilityDomain && a.FaultDomain == b.FaultDomain &&
		a.Shape == b.Shape
}

func (p Policy) durations() (first, longest time.Duration) {
	first, longest = p.First, p.Max
	if first <= 0 {
		first = DefaultFirst
	}
	if longest <= 0 {
		longest = DefaultMax
	}
	return min(first, longest), longest
}

// LeftOut is how long a place is left out after so many shortages in a row.
func (p Policy) LeftOut(count int32) time.Duration {
	first, longest := p.durations()
	return backoff(first, longest, count)
}

func backoff(first, longest time.Duration, count int32) time.Duration {
	for ; count > 1 && first < longest; count-- {
		first *= 2
	}
	return min(first, longest)
}
