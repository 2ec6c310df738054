// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package capacity

import (
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

// Memory holds the known places without room in one account. It is shared by all machines, of all
// clusters, and safe for concurrent use. Once its time has run out, a place is tried by one
// machine; for the others it stays short until this machine has its answer, or ProbeTime is over.
type Memory struct {
	policy Policy

	mu    sync.Mutex
	known []infrav1.Shortage
	// sizes are the sizes without room in the places known to be short. Where there is none, as
	// after a restart, nothing has room.
	sizes map[Place][]Size
	// probes are the machines trying a place after its time has run out.
	probes map[Place]probe
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

// NewMemory starts from the shortages in a status.
func NewMemory(policy Policy, known []infrav1.Shortage) *Memory {
	return &Memory{policy: policy, known: slices.Clone(known), sizes: map[Place][]Size{}, probes: map[Place]probe{}}
}

// Known are all shortages. Expired ones are included until a machine has found room or they are too
// old to matter.
func (m *Memory) Known(now time.Time) []infrav1.Shortage {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, longest := m.policy.durations()
	var kept []infrav1.Shortage
	for _, shortage := range m.known {
		if shortage.Until.Add(longest).After(now) {
			kept = append(kept, shortage)
		}
	}
	m.known = kept
	return slices.Clone(kept)
}

// For are the shortages as they are for one machine, with its size for each shape: a place being
// tried by another machine is short until that machine's time.
func (m *Memory) For(machine string, sizeOf func(shape string) Size, now time.Time) []infrav1.Shortage {
	known := m.Known(now)
	m.mu.Lock()
	defer m.mu.Unlock()
	known = slices.DeleteFunc(known, func(shortage infrav1.Shortage) bool {
		sizes := m.sizes[placeOf(shortage)]
		return len(sizes) > 0 && shortage.Shape != "" && !slices.ContainsFunc(sizes, sizeOf(shortage.Shape).atLeast)
	})
	for i := range known {
		tried, ok := m.probes[placeOf(known[i])]
		if ok && tried.machine != machine && tried.until.After(now) && !known[i].Until.After(now) {
			known[i].Until.Time = tried.until
		}
	}
	return known
}

// Claim notes a launch of the machine in the place, just before it, and releases the machine's
// earlier claim.
func (m *Memory) Claim(place Place, machine string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.release(machine)
	for _, shortage := range m.known {
		at := placeOf(shortage)
		if _, taken := m.probes[at]; covers(at, place) && (!taken || !m.probes[at].until.After(now)) {
			m.probes[at] = probe{machine, now.Add(ProbeTime)}
		}
	}
}

// Release drops the machine's claim: it is launched elsewhere, or not at all.
func (m *Memory) Release(machine string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.release(machine)
}

func (m *Memory) release(machine string) {
	for at, tried := range m.probes {
		if tried.machine == machine {
			delete(m.probes, at)
		}
	}
}

// Found notes an accepted launch of the size in the place: nothing is short there for it any more.
// It tells whether this ended a shortage.
func (m *Memory) Found(place Place, size Size) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := len(m.known)
	m.known = slices.DeleteFunc(m.known, func(shortage infrav1.Shortage) bool {
		at := placeOf(shortage)
		if !covers(at, place) {
			return false
		}
		if m.sizes[at] = slices.DeleteFunc(m.sizes[at], size.atLeast); len(m.sizes[at]) > 0 {
			return false
		}
		delete(m.sizes, at)
		delete(m.probes, at)
		return true
	})
	return len(m.known) < before
}

// Record remembers the shortage from a failed launch of the size, like the function Record, and
// returns it.
func (m *Memory) Record(place Place, size Size, kind cloud.Kind, now time.Time) infrav1.Shortage {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, shortage := range m.known {
		if covers(placeOf(shortage), place) {
			delete(m.probes, placeOf(shortage))
		}
	}
	// Several launches may have been in flight when the first found no room: the others add
	// nothing.
	for _, shortage := range m.known {
		if shortage.Until.After(now) && samePlace(shortage, shortageOf(place, kind)) && shortage.Reason == string(kind) {
			m.alsoShortFor(placeOf(shortage), size)
			return shortage
		}
	}
	before, failed := slices.Clone(m.known), shortageOf(place, kind)
	m.known = Record(m.known, place, kind, now, m.policy)
	// What was too large for the place an earlier time may have room by now.
	m.sizes[placeOf(failed)] = []Size{size}
	m.keepSizes(append(before, failed))
	at := slices.IndexFunc(m.known, func(s infrav1.Shortage) bool { return covers(placeOf(s), place) && s.Until.After(now) })
	return m.known[at]
}

// alsoShortFor adds a size to those without room in a place; where none is known, nothing has room.
func (m *Memory) alsoShortFor(at Place, size Size) {
	sizes := m.sizes[at]
	if len(sizes) == 0 || slices.ContainsFunc(sizes, size.atLeast) {
		return
	}
	sizes = append(slices.DeleteFunc(sizes, func(larger Size) bool { return larger.atLeast(size) }), size)
	m.sizes[at] = sizes[max(0, len(sizes)-maxSizes):]
}

// keepSizes keeps the sizes of the known places. A place merged of several, to save room in the
// status, gets their sizes.
func (m *Memory) keepSizes(before []infrav1.Shortage) {
	kept := map[Place][]Size{}
	for _, shortage := range m.known {
		at := placeOf(shortage)
		merged := !slices.ContainsFunc(before, func(old infrav1.Shortage) bool { return placeOf(old) == at })
		if !merged {
			if sizes := m.sizes[at]; len(sizes) > 0 {
				kept[at] = sizes
			}
			continue
		}
		var sizes []Size
		for _, old := range before {
			switch from := placeOf(old); {
			case !covers(at, from):
			case len(m.sizes[from]) == 0:
				// For any size.
				sizes = append(sizes, Size{})
			default:
				sizes = append(sizes, m.sizes[from]...)
			}
		}
		kept[at] = sizes
	}
	m.sizes = kept
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
