// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloud_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// looks is how often one piece of work is looked at that takes some time, and when its end is seen.
// Each look comes late by so much.
func looks(waits *cloud.Waits, takes, late time.Duration) (count int, seen time.Duration) {
	began := time.Unix(0, 0)
	now, wait := began, waits.Begin("a subnet", began)
	for {
		now = now.Add(max(wait.After(now), time.Millisecond) + late)
		count++
		if now.Sub(began) >= takes {
			wait.Finished(now)
			return count, now.Sub(began)
		}
		wait.Unfinished(now)
	}
}

func TestWhatTakesLongIsLookedAtSeldomAndLaterOnce(t *testing.T) {
	for _, takes := range []time.Duration{100 * time.Millisecond, 2 * time.Second, 10 * time.Second, time.Minute} {
		t.Run(takes.String(), func(t *testing.T) {
			g := NewWithT(t)
			waits := &cloud.Waits{First: 2 * time.Second}

			count, seen := looks(waits, takes, 0)
			g.Expect(count).To(BeNumerically("<=", 11))
			g.Expect(seen).To(BeNumerically("<=", max(2*time.Second, takes+takes/2)))

			total := 0
			for range 20 {
				count, seen = looks(waits, takes, 0)
				total += count
			}
			g.Expect(total).To(BeNumerically("<=", 30), "most looks are the only one")
			g.Expect(seen).To(BeNumerically("<=", max(time.Second, takes+takes/5)))
		})
	}
}

func TestOnePieceOfWorkHidesNoOthersForLong(t *testing.T) {
	now := time.Unix(0, 0)
	for name, world := range map[string]struct {
		// The work is looked at as it is due, for so long; then nobody looks for a while.
		takes, paused, next time.Duration
	}{
		"it takes ten seconds":       {takes: 10 * time.Second, next: 11 * time.Second},
		"it takes an hour":           {takes: time.Hour, next: 5 * time.Minute},
		"nobody looked for an hour":  {takes: time.Second, paused: time.Hour, next: 2 * time.Second},
		"a look came a little later": {takes: 2 * time.Second, paused: 10 * time.Second, next: 12 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			waits := &cloud.Waits{First: 2 * time.Second}
			wait := waits.Begin("a backend", now)
			end := now.Add(wait.After(now))
			for ; end.Sub(now) < world.takes; end = end.Add(wait.After(end)) {
				wait.Unfinished(end)
			}
			wait.Finished(end.Add(world.paused))

			next := waits.Begin("a backend", now)
			NewWithT(t).Expect(next.After(now)).To(BeNumerically("~", world.next, world.next/5))
		})
	}
}

func TestLooksThatComeLateMakeNoOthersLater(t *testing.T) {
	for name, world := range map[string]struct {
		late, seen time.Duration
		count      int
	}{
		"a little":      {late: 100 * time.Millisecond, seen: 10225 * time.Millisecond, count: 5},
		"much":          {late: 3 * time.Second, seen: 12 * time.Second, count: 3},
		"far too much":  {late: time.Minute, seen: 62 * time.Second, count: 1},
		"not a tick":    {seen: 10125 * time.Millisecond, count: 5},
		"by every step": {late: 500 * time.Millisecond, seen: 10625 * time.Millisecond, count: 5},
	} {
		g := NewWithT(t)
		count, seen := looks(&cloud.Waits{First: 2 * time.Second}, 10*time.Second, world.late)
		g.Expect(seen).To(Equal(world.seen), name)
		g.Expect(count).To(Equal(world.count), name)
	}
}

// passes is how often work is looked at that takes some time, and when its end is seen, with one
// pass more in between. Cluster API's builder lets a second go by between two.
func passes(waits *cloud.Waits, takes, more time.Duration) (count int, seen time.Duration) {
	began := time.Unix(0, 0)
	wait := waits.Begin("a subnet", began)
	for now := began; ; {
		next := now.Add(wait.After(now))
		if other := began.Add(more); other.After(now) && other.Before(next) {
			next = other
		}
		if soonest := now.Add(time.Second); next.Before(soonest) {
			next = soonest
		}
		now = next
		if wait.After(now) > 0 {
			continue
		}
		count++
		if now.Sub(began) >= takes {
			return count, now.Sub(began)
		}
		wait.Unfinished(now)
	}
}

func TestAPassInBetweenMakesAtMostTheNextLookLate(t *testing.T) {
	const looked = 10125 * time.Millisecond
	for more := time.Duration(0); more < looked; more += 100 * time.Millisecond {
		g := NewWithT(t)
		count, seen := passes(&cloud.Waits{First: 2 * time.Second}, 10*time.Second, more)
		g.Expect(count).To(Equal(5), "a pass after %s", more)
		g.Expect(seen).To(Equal(max(looked, more+time.Second)), "a pass after %s", more)
	}
}

func TestWhatNobodyHasSeenEndTakesNoLessThanWhatIsShorter(t *testing.T) {
	for name, world := range map[string]struct {
		noLess map[string]string
		after  time.Duration
	}{
		"nothing is known to be shorter": {nil, 2 * time.Second},
		"another kind is":                {map[string]string{"a load balancer": "a subnet"}, 21 * time.Second / 2},
		"another kind, never seen":       {map[string]string{"a load balancer": "a gateway"}, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Unix(0, 0)
			waits := &cloud.Waits{First: 2 * time.Second, NoLess: world.noLess}
			waits.Begin("a subnet", began).Finished(began.Add(10 * time.Second))
			NewWithT(t).Expect(waits.Begin("a load balancer", began).After(began)).To(Equal(world.after))
		})
	}
}
