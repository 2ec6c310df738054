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

var small = Size{OCPUs: 2, MemoryGB: 12}

// short tells for how long the place is short for a machine; 0 if it is not.
func short(c *ShortageCache, machine string, now time.Time) time.Duration {
	var longest time.Duration
	for _, shortage := range c.For(machine, func(string) Size { return small }, now) {
		if covers(placeOf(shortage), place) {
			longest = max(longest, shortage.Until.Sub(now))
		}
	}
	return longest
}

func TestOneMachineTriesAPlaceAgainAndTheOthersWaitForItsAnswer(t *testing.T) {
	for name, world := range map[string]struct {
		answer func(*ShortageCache, time.Time)
		want   time.Duration
	}{
		"it finds room":                 {func(c *ShortageCache, _ time.Time) { c.Found(place, small) }, 0},
		"it finds none":                 {func(c *ShortageCache, now time.Time) { c.Record(place, small, cloud.OutOfCapacity, now) }, 10 * time.Minute},
		"it goes elsewhere":             {func(c *ShortageCache, _ time.Time) { c.Release("first") }, 0},
		"it is placed in another":       {func(c *ShortageCache, now time.Time) { c.Claim(Place{Account: "bob"}, "first", now) }, 0},
		"nothing is heard of it so far": {func(*ShortageCache, time.Time) {}, ProbeTime},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c := NewShortageCache(Policy{}, nil)
			c.Record(place, small, cloud.OutOfCapacity, noon)
			g.Expect(short(c, "first", noon)).To(Equal(DefaultFirst))
			now := noon.Add(DefaultFirst)
			g.Expect(short(c, "first", now)).To(BeZero())

			c.Claim(place, "first", now)
			g.Expect(short(c, "first", now)).To(BeZero())
			g.Expect(short(c, "second", now)).To(Equal(ProbeTime))
			world.answer(c, now)

			g.Expect(short(c, "second", now)).To(Equal(world.want))
			if world.want == ProbeTime {
				g.Expect(short(c, "second", now.Add(ProbeTime))).To(BeZero(), "nobody is waited for without end")
			}
		})
	}
}

func TestARestartGoesOnFromTheStatus(t *testing.T) {
	g := NewWithT(t)
	before := NewShortageCache(Policy{}, nil)
	before.Record(place, small, cloud.LimitExceeded, noon)
	after := NewShortageCache(Policy{}, before.Known(noon))
	g.Expect(short(after, "any", noon)).To(Equal(DefaultFirst))
	later := noon.Add(DefaultFirst)
	after.Record(place, small, cloud.LimitExceeded, later)
	g.Expect(short(after, "any", later)).To(Equal(2*DefaultFirst), "it also knows that it was not the first time")
	g.Expect(after.Known(later.Add(2*DefaultFirst+DefaultMax))).To(BeEmpty(), "what is long past is forgotten")
}

func TestMachinesThatWereOnTheirWaySayTheSameAgain(t *testing.T) {
	g := NewWithT(t)
	c := NewShortageCache(Policy{}, nil)
	first := c.Record(place, small, cloud.OutOfCapacity, noon)
	for i := range 50 {
		g.Expect(c.Record(place, small, cloud.OutOfCapacity, noon.Add(time.Duration(i)*time.Second))).To(Equal(first))
	}
}

func TestWhatChangedIsTold(t *testing.T) {
	g := NewWithT(t)
	c := NewShortageCache(Policy{}, nil)
	c.Record(place, small, cloud.OutOfCapacity, noon)
	one := c.Known(noon)
	recorded, ended := Difference(nil, one)
	g.Expect(recorded).To(Equal(one))
	g.Expect(ended).To(BeEmpty())
	recorded, ended = Difference(one, one)
	g.Expect(append(recorded, ended...)).To(BeEmpty())
	recorded, ended = Difference(one, nil)
	g.Expect(recorded).To(BeEmpty())
	g.Expect(ended).To(Equal(one))
}

func TestStrangeShapesMakeNoOtherShapeShort(t *testing.T) {
	g := NewWithT(t)
	c := NewShortageCache(Policy{}, nil)
	c.Record(place, small, cloud.OutOfCapacity, noon)
	now := noon.Add(DefaultFirst)
	wanted := c.Record(place, small, cloud.OutOfCapacity, now)
	for i := range 500 {
		last := c.Record(Place{"alice", "AD-1", fmt.Sprint("FD-", i%3), fmt.Sprint("shape-", i)}, Size{}, cloud.OutOfCapacity, now)
		g.Expect(last.Shape).To(Equal(fmt.Sprint("shape-", i)), "it is known where its own machine found no room")
		g.Expect(c.Known(now)).To(ContainElements(last, wanted), "what is in demand is remembered")
	}
	g.Expect(c.Known(now)).To(HaveLen(maxShortages))
	g.Expect(c.sizes).To(HaveLen(maxShortages))
	for _, shortage := range c.For("any", func(string) Size { return small }, now) {
		g.Expect(shortage.Shape).NotTo(BeEmpty(), "that would be all shapes")
	}
	neighbour := Place{place.Account, place.AvailabilityDomain, "FD-9", place.Shape}
	g.Expect(slices.ContainsFunc(c.Known(now), func(s infrav1.Shortage) bool { return covers(placeOf(s), neighbour) })).
		To(BeFalse(), "nor is another place of the same shape")
}

func TestAPlaceIsShortForWhatIsAsLargeAsWhatFoundNoRoom(t *testing.T) {
	g := NewWithT(t)
	c := NewShortageCache(Policy{}, nil)
	shortFor := func(size Size, now time.Time) bool {
		return len(c.For("any", func(string) Size { return size }, now)) > 0
	}
	c.Record(place, Size{64, 256}, cloud.LimitExceeded, noon)
	g.Expect(shortFor(Size{64, 256}, noon)).To(BeTrue())
	g.Expect(shortFor(Size{80, 512}, noon)).To(BeTrue())
	g.Expect(shortFor(Size{2, 12}, noon)).To(BeFalse())
	g.Expect(shortFor(Size{2, 512}, noon)).To(BeFalse(), "nobody has tried")
	c.Record(place, Size{2, 512}, cloud.LimitExceeded, noon)
	g.Expect(shortFor(Size{2, 512}, noon)).To(BeTrue())
	g.Expect(shortFor(Size{2, 12}, noon)).To(BeFalse(), "two that are each too large say nothing together")

	g.Expect(c.Found(place, Size{2, 12})).To(BeFalse(), "and room for it says nothing about them")
	g.Expect(shortFor(Size{64, 256}, noon)).To(BeTrue())
	c.Record(place, Size{2, 12}, cloud.LimitExceeded, noon)
	g.Expect(shortFor(Size{2, 12}, noon)).To(BeTrue())

	later := noon.Add(DefaultFirst)
	c.Record(place, Size{64, 256}, cloud.LimitExceeded, later)
	g.Expect(shortFor(Size{2, 12}, later)).To(BeFalse(), "its own time is over, whatever larger ones try")
	g.Expect(c.Found(place, Size{64, 256})).To(BeTrue())
	g.Expect(c.Known(later)).To(BeEmpty())

	c = NewShortageCache(Policy{}, []infrav1.Shortage{shortageOf(place, cloud.LimitExceeded)})
	c.known[0].Until.Time = later
	g.Expect(shortFor(Size{1, 1}, noon)).To(BeTrue(), "after a restart, any")
	c.Record(place, Size{64, 256}, cloud.LimitExceeded, noon)
	g.Expect(shortFor(Size{1, 1}, noon)).To(BeTrue())
}
