// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package capacity

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// ProbeTime is how long others wait for the machine trying a place again. It takes a key and a
// launch, a few seconds.
const ProbeTime = 2 * time.Minute

// ShortageCache holds the known places without room in one account. It is shared by all machines,
// of all clusters, and safe for concurrent use. Once its time has run out, a place is tried by one
// machine; for the others it stays short until this machine has its answer, or ProbeTime is over.
type ShortageCache struct {
	policy Policy

	mu    sync.Mutex
	known []infrav1.Shortage
	// sizes are the sizes without room in the places known to be short. Where there is none, as
	// after a restart, nothing has room.
	sizes map[Place][]Size
	// probes are the machines trying a place after its time has run out.
	probes map[Place]probe
	// seen are the shortages in the status when it was read last; ended are those that a launch
	// here has ended, until they would be too old to matter. See Adopt.
	seen, ended map[Place]infrav1.Shortage
	// limited is when a limit of OCI's, as it is known, kept a machine out last.
	limited time.Time
}

// Size is what a machine asks of a shape.
type Size struct {
	OCPUs, MemoryGB int64
}

// atLeast tells whether there is no room for the size where there was none for the other. Users can
// ask for any size: a refusal says nothing about smaller ones.
func (s Size) atLeast(other Size) bool { return s.OCPUs >= other.OCPUs && s.MemoryGB >= other.MemoryGB }

// maxSizes is how many sizes are remembered of a place.
const maxSizes = 16

type probe struct {
	machine string
	until   time.Time
}

// NewShortageCache starts from the shortages in a status.
func NewShortageCache(policy Policy, known []infrav1.Shortage) *ShortageCache {
	c := &ShortageCache{
		policy: policy, known: slices.Clone(known), sizes: map[Place][]Size{}, probes: map[Place]probe{},
		seen: map[Place]infrav1.Shortage{}, ended: map[Place]infrav1.Shortage{},
	}
	for _, shortage := range known {
		c.seen[placeOf(shortage)] = shortage
	}
	return c
}

// Known are all shortages. Expired ones are included until a machine has found room or they are too
// old to matter.
func (c *ShortageCache) Known(now time.Time) []infrav1.Shortage {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, longest := c.policy.durations()
	var kept []infrav1.Shortage
	for _, shortage := range c.known {
		if shortage.Until.Add(longest).After(now) {
			kept = append(kept, shortage)
		}
	}
	c.known = kept
	return slices.Clone(kept)
}

// For are the shortages as they are for one machine, with its size for each shape: a place being
// tried by another machine is short until that machine's time.
func (c *ShortageCache) For(machine string, sizeOf func(shape string) Size, now time.Time) []infrav1.Shortage {
	known := c.Known(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	known = slices.DeleteFunc(known, func(shortage infrav1.Shortage) bool {
		sizes := c.sizes[placeOf(shortage)]
		return len(sizes) > 0 && shortage.Shape != "" && !slices.ContainsFunc(sizes, sizeOf(shortage.Shape).atLeast)
	})
	for i := range known {
		tried, ok := c.probes[placeOf(known[i])]
		if ok && tried.machine != machine && tried.until.After(now) && !known[i].Until.After(now) {
			known[i].Until.Time = tried.until
		}
	}
	return known
}

// Claim notes a launch of the machine in the place, just before it, and releases the machine's
// earlier claim.
func (c *ShortageCache) Claim(place Place, machine string, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.release(machine)
	for _, shortage := range c.known {
		at := placeOf(shortage)
		if _, taken := c.probes[at]; covers(at, place) && (!taken || !c.probes[at].until.After(now)) {
			c.probes[at] = probe{machine, now.Add(ProbeTime)}
		}
	}
}

// Release drops the machine's claim: it is launched elsewhere, or not at all.
func (c *ShortageCache) Release(machine string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.release(machine)
}

func (c *ShortageCache) release(machine string) {
	for at, tried := range c.probes {
		if tried.machine == machine {
			delete(c.probes, at)
		}
	}
}

// Found notes an accepted launch of the size in the place: nothing is short there for it any more.
// It tells whether this ended a shortage.
func (c *ShortageCache) Found(place Place, size Size) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := len(c.known)
	c.known = slices.DeleteFunc(c.known, func(shortage infrav1.Shortage) bool {
		at := placeOf(shortage)
		if !covers(at, place) {
			return false
		}
		if c.sizes[at] = slices.DeleteFunc(c.sizes[at], size.atLeast); len(c.sizes[at]) > 0 {
			return false
		}
		delete(c.sizes, at)
		delete(c.probes, at)
		c.ended[at] = shortage
		return true
	})
	return len(c.known) < before
}

// Record remembers the shortage from a failed launch of the size, like the function Record, and
// returns it.
func (c *ShortageCache) Record(place Place, size Size, kind cloud.Kind, now time.Time) infrav1.Shortage {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, shortage := range c.known {
		if covers(placeOf(shortage), place) {
			delete(c.probes, placeOf(shortage))
		}
	}
	// Several launches may have been in flight when the first found no room: the others add
	// nothing.
	for _, shortage := range c.known {
		if shortage.Until.After(now) && samePlace(shortage, shortageOf(place, kind)) && shortage.Reason == string(kind) {
			c.alsoShortFor(placeOf(shortage), size)
			return shortage
		}
	}
	kept, failed := record(c.known, shortageOf(place, kind), now, c.policy)
	c.known = append(fitOneMore(kept), failed)
	slices.SortStableFunc(c.known, byEnd)
	// What was too large for the place an earlier time may have room by now.
	c.sizes[placeOf(failed)] = []Size{size}
	c.prune()
	return failed
}

// Limited notes that a limit of OCI's, as it was read last, keeps a machine out.
func (c *ShortageCache) Limited(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limited = now
}

// LimitedSince tells whether a limit has kept a machine out since the time.
func (c *ShortageCache) LimitedSince(since time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.limited.After(since)
}

// fitOneMore forgets places until there is room for one more. Anybody can ask for shapes without
// room, as many as there are: places that were short most often in a row stay, since they are in
// demand, and none is widened, so that nobody makes other shapes short. What is forgotten is tried
// once more, and each machine remembers by itself where it was.
func fitOneMore(known []infrav1.Shortage) []infrav1.Shortage {
	slices.SortStableFunc(known, func(a, b infrav1.Shortage) int { return cmp.Or(cmp.Compare(a.Count, b.Count), byEnd(a, b)) })
	return known[max(0, len(known)-maxShortages+1):]
}

// prune forgets what is known of places that are short no more.
func (c *ShortageCache) prune() {
	short := map[Place]bool{}
	for _, shortage := range c.known {
		short[placeOf(shortage)] = true
	}
	maps.DeleteFunc(c.sizes, func(at Place, _ []Size) bool { return !short[at] })
	maps.DeleteFunc(c.probes, func(at Place, _ probe) bool { return !short[at] })
}

// alsoShortFor adds a size to those without room in a place; where none is known, nothing has room.
func (c *ShortageCache) alsoShortFor(at Place, size Size) {
	sizes := c.sizes[at]
	if len(sizes) == 0 || slices.ContainsFunc(sizes, size.atLeast) {
		return
	}
	sizes = append(slices.DeleteFunc(sizes, func(larger Size) bool { return larger.atLeast(size) }), size)
	c.sizes[at] = sizes[max(0, len(sizes)-maxSizes):]
}

// Difference returns the new and lengthened shortages, and the ended ones.
func Difference(before, after []infrav1.Shortage) (recorded, ended []infrav1.Shortage) {
	for _, shortage := range after {
		if !slices.ContainsFunc(before, func(old infrav1.Shortage) bool { return same(old, shortage) }) {
			recorded = append(recorded, shortage)
		}
	}
	for _, old := range before {
		if !slices.ContainsFunc(after, func(shortage infrav1.Shortage) bool { return samePlace(old, shortage) }) {
			ended = append(ended, old)
		}
	}
	return recorded, ended
}

// same compares as a status does: to the second.
func same(a, b infrav1.Shortage) bool {
	a.Until.Time, b.Until.Time = a.Until.UTC().Truncate(time.Second), b.Until.UTC().Truncate(time.Second)
	return reflect.DeepEqual(a, b)
}

func placeOf(shortage infrav1.Shortage) Place {
	return Place{shortage.Account, shortage.AvailabilityDomain, shortage.FaultDomain, shortage.Shape}
}

func covers(wide, place Place) bool {
	part := func(of, value string) bool { return of == "" || of == value }
	return wide.Account == place.Account && part(wide.AvailabilityDomain, place.AvailabilityDomain) &&
		part(wide.FaultDomain, place.FaultDomain) && part(wide.Shape, place.Shape)
}
