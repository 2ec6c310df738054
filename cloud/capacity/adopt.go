// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package capacity

import (
	"maps"
	"slices"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// Adopt takes over what other managers have written to the status since it was read last: the
// shortages that they have found or lengthened, and the end of those that they have ended. What
// this cache has found or ended by itself stays so.
func (c *ShortageCache) Adopt(status []infrav1.Shortage, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, longest := c.policy.durations()
	tooOld := func(shortage infrav1.Shortage) bool { return !shortage.Until.Add(longest).After(now) }
	maps.DeleteFunc(c.ended, func(_ Place, shortage infrav1.Shortage) bool { return tooOld(shortage) })

	written := map[Place]infrav1.Shortage{}
	for _, shortage := range status {
		written[placeOf(shortage)] = shortage
	}
	// A write of ours that a cache does not show yet was not seen: it is kept.
	c.known = slices.DeleteFunc(c.known, func(shortage infrav1.Shortage) bool {
		at := placeOf(shortage)
		_, stays := written[at]
		return !stays && same(c.seen[at], shortage)
	})
	c.seen = written
	for _, shortage := range status {
		at := placeOf(shortage)
		ours := slices.IndexFunc(c.known, func(known infrav1.Shortage) bool { return placeOf(known) == at })
		switch {
		case tooOld(shortage), same(c.ended[at], shortage):
		case ours < 0:
			c.known = append(fitOneMore(c.known), shortage)
		case !endsLater(c.known[ours], shortage):
			c.known[ours] = shortage
		}
	}
	slices.SortStableFunc(c.known, byEnd)
	c.prune()
}

// endsLater compares as a status does: to the second.
func endsLater(a, b infrav1.Shortage) bool { return a.Until.Unix() > b.Until.Unix() }
