// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package capacity

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// short tells for how long the place is short for a machine; 0 if it is not.
func short(m *Memory, machine string, now time.Time) time.Duration {
	var longest time.Duration
	for _, shortage := range m.For(machine, now) {
		if covers(placeOf(shortage), place) {
			longest = max(longest, shortage.Until.Sub(now))
		}
	}
	return longest
}

func TestOneMachineTriesAPlaceAgainAndTheOthersWaitForItsAnswer(t *testing.T) {
	for name, world := range map[string]struct {
		answer func(*Memory, time.Time)
		want   time.Duration
	}{
		"it finds room":                 {func(m *Memory, _ time.Time) { m.Found(place) }, 0},
		"it finds none":                 {func(m *Memory, now time.Time) { m.Record(place, cloud.OutOfCapacity, now) }, 10 * time.Minute},
		"it goes elsewhere":             {func(m *Memory, _ time.Time) { m.Release("first") }, 0},
		"it is placed in another":       {func(m *Memory, now time.Time) { m.Claim(Place{Account: "bob"}, "first", now) }, 0},
		"nothing is heard of it so far": {func(*Memory, time.Time) {}, ProbeTime},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			m := NewMemory(Policy{}, nil)
			m.Record(place, cloud.OutOfCapacity, noon)
			g.Expect(short(m, "first", noon)).To(Equal(DefaultFirst))
			now := noon.Add(DefaultFirst)
			g.Expect(short(m, "first", now)).To(BeZero())

			m.Claim(place, "first", now)
			g.Expect(short(m, "first", now)).To(BeZero())
			g.Expect(short(m, "second", now)).To(Equal(ProbeTime))
			world.answer(m, now)

			g.Expect(short(m, "second", now)).To(Equal(world.want))
			if world.want == ProbeTime {
				g.Expect(short(m, "second", now.Add(ProbeTime))).To(BeZero(), "nobody is waited for without end")
			}
		})
	}
}

func TestARestartGoesOnFromTheStatus(t *testing.T) {
	g := NewWithT(t)
	before := NewMemory(Policy{}, nil)
	before.Record(place, cloud.LimitExceeded, noon)
	after := NewMemory(Policy{}, before.Known(noon))
	g.Expect(short(after, "any", noon)).To(Equal(DefaultFirst))
	later := noon.Add(DefaultFirst)
	after.Record(place, cloud.LimitExceeded, later)
	g.Expect(short(after, "any", later)).To(Equal(2*DefaultFirst), "it also knows that it was not the first time")
	g.Expect(after.Known(later.Add(2*DefaultFirst+DefaultMax))).To(BeEmpty(), "what is long past is forgotten")
}

func TestMachinesThatWereOnTheirWaySayTheSameAgain(t *testing.T) {
	g := NewWithT(t)
	m := NewMemory(Policy{}, nil)
	first := m.Record(place, cloud.OutOfCapacity, noon)
	for i := range 50 {
		g.Expect(m.Record(place, cloud.OutOfCapacity, noon.Add(time.Duration(i)*time.Second))).To(Equal(first))
	}
}

func TestWhatChangedIsTold(t *testing.T) {
	g := NewWithT(t)
	m := NewMemory(Policy{}, nil)
	m.Record(place, cloud.OutOfCapacity, noon)
	one := m.Known(noon)
	recorded, ended := Difference(nil, one)
	g.Expect(recorded).To(Equal(one))
	g.Expect(ended).To(BeEmpty())
	recorded, ended = Difference(one, one)
	g.Expect(append(recorded, ended...)).To(BeEmpty())
	recorded, ended = Difference(one, nil)
	g.Expect(recorded).To(BeEmpty())
	g.Expect(ended).To(Equal(one))
}

func TestTheMemoryIsBounded(t *testing.T) {
	g := NewWithT(t)
	m := NewMemory(Policy{}, nil)
	var last infrav1.Shortage
	for i := range 500 {
		last = m.Record(Place{"alice", "AD-1", fmt.Sprint("FD-", i%3), fmt.Sprint("shape-", i)}, cloud.OutOfCapacity, noon)
	}
	g.Expect(len(m.Known(noon))).To(BeNumerically("<=", maxShortages))
	g.Expect(last.Account).To(Equal("alice"))
}
