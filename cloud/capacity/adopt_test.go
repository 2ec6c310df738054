// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package capacity

import (
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// shared is a status that managers write in turn.
type shared struct {
	status []infrav1.Shortage
	writes int
}

// pass is a manager's over the account, as of what its cache shows of the status.
func (s *shared) pass(c *ShortageCache, shows []infrav1.Shortage, now time.Time) {
	c.Adopt(shows, now)
	known := c.Known(now)
	if recorded, ended := Difference(shows, known); len(recorded)+len(ended) == 0 {
		return
	}
	for i := range known {
		known[i].Until.Time = known[i].Until.Truncate(time.Second)
	}
	s.status = known
	s.writes++
}

func (s *shared) passes(now time.Time, managers ...*ShortageCache) {
	for range 5 {
		for _, c := range managers {
			s.pass(c, s.status, now)
		}
	}
}

func placesOf(shortages []infrav1.Shortage) (places []Place) {
	for _, shortage := range shortages {
		places = append(places, placeOf(shortage))
	}
	return places
}

func TestManagersOfOneAccountAgreeOnItsShortages(t *testing.T) {
	// Statuses have no fractions of seconds.
	now := noon.Add(time.Second / 2)
	other := place
	other.FaultDomain = "FD-9"
	for name, world := range map[string]struct {
		then   func(s *shared, a, b *ShortageCache)
		writes int
		want   []Place
	}{
		"one finds a shortage":  {func(*shared, *ShortageCache, *ShortageCache) {}, 1, []Place{place}},
		"its finder finds room": {func(_ *shared, a, _ *ShortageCache) { a.Found(place, small) }, 2, nil},
		"the other finds room":  {func(_ *shared, _, b *ShortageCache) { b.Found(place, small) }, 2, nil},
		"the other finds it again": {
			func(_ *shared, _, b *ShortageCache) {
				b.Record(place, small, cloud.OutOfCapacity, now.Add(DefaultFirst))
			}, 2, []Place{place},
		},
		"the other finds another one": {
			func(_ *shared, _, b *ShortageCache) { b.Record(other, small, cloud.OutOfCapacity, now) }, 2, []Place{place, other},
		},
		"the one finds room, and another shortage before its cache shows the end": {
			func(s *shared, a, _ *ShortageCache) {
				before := slices.Clone(s.status)
				a.Found(place, small)
				s.pass(a, before, now)
				s.pass(a, before, now)
				a.Record(other, small, cloud.OutOfCapacity, now)
			}, 4, []Place{other},
		},
		"both find another one at once": {
			func(_ *shared, a, b *ShortageCache) {
				a.Record(other, small, cloud.OutOfCapacity, now)
				b.Record(other, small, cloud.OutOfCapacity, now.Add(2*time.Second))
			}, 3, []Place{place, other},
		},
		"one is started anew": {func(s *shared, _, b *ShortageCache) { *b = *NewShortageCache(Policy{}, s.status) }, 1, []Place{place}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s, a, b := &shared{}, NewShortageCache(Policy{}, nil), NewShortageCache(Policy{}, nil)
			a.Record(place, small, cloud.OutOfCapacity, now)
			s.passes(now, a, b)
			g.Expect(s.writes).To(Equal(1), "the finder's")
			world.then(s, a, b)

			s.passes(now, a, b)

			g.Expect(s.writes).To(Equal(world.writes))
			for of, shortages := range map[string][]infrav1.Shortage{"the status": s.status, "one": a.Known(now), "the other": b.Known(now)} {
				g.Expect(placesOf(shortages)).To(ConsistOf(world.want), of)
			}
		})
	}
}

func TestAShortageThatACacheDoesNotShowYetIsNotTakenForEnded(t *testing.T) {
	g := NewWithT(t)
	s, c := &shared{}, NewShortageCache(Policy{}, nil)
	c.Record(place, small, cloud.OutOfCapacity, noon)
	s.pass(c, nil, noon)
	s.pass(c, nil, noon)

	g.Expect(c.Known(noon)).To(HaveLen(1))
	s.pass(c, s.status, noon)
	g.Expect(short(c, "machine", noon)).To(Equal(DefaultFirst))
}

func TestTheShortagesOfAllManagersAreNoMoreThanTheAPIAllows(t *testing.T) {
	g := NewWithT(t)
	s, a, b := &shared{}, NewShortageCache(Policy{}, nil), NewShortageCache(Policy{}, nil)
	for i := range maxShortages {
		for manager, c := range map[string]*ShortageCache{"a": a, "b": b} {
			at := place
			at.Shape = fmt.Sprintf("VM.%s.%d", manager, i)
			c.Record(at, small, cloud.OutOfCapacity, noon)
		}
	}

	s.passes(noon, a, b)

	g.Expect(s.status).To(HaveLen(maxShortages))
	writes := s.writes
	s.passes(noon, a, b)
	g.Expect(s.writes).To(Equal(writes), "they agree")
}
