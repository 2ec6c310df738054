// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"container/heap"
	"sync"
	"time"
)

// Clock is the simulator's time: it dates resources and drives life cycles.
type Clock interface {
	// Now is the present time of the simulation.
	Now() time.Time
	// AfterFunc runs f once d has passed, in a goroutine of its own or inside the call that
	// advances the clock.
	AfterFunc(d time.Duration, f func())
}

// RealClock is the wall clock.
type RealClock struct{}

// Now is time.Now.
func (RealClock) Now() time.Time { return time.Now() }

// AfterFunc is time.AfterFunc without a way to stop it.
func (RealClock) AfterFunc(d time.Duration, f func()) { time.AfterFunc(d, f) }

// ManualClock stands still until Advance is called.
type ManualClock struct {
	mu     sync.Mutex
	now    time.Time
	seq    int
	timers timerHeap
}

// NewManualClock returns a clock standing at start.
func NewManualClock(start time.Time) *ManualClock {
	return &ManualClock{now: start}
}

// Now is the time the clock stands at.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc runs f inside the Advance past d from now.
func (c *ManualClock) AfterFunc(d time.Duration, f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	heap.Push(&c.timers, timer{at: c.now.Add(d), seq: c.seq, run: f})
}

// Advance moves the clock by d and runs, in order of time, all functions due, including those
// scheduled by them within d.
func (c *ManualClock) Advance(d time.Duration) {
	c.mu.Lock()
	end := c.now.Add(d)
	for len(c.timers) > 0 && !c.timers[0].at.After(end) {
		due := heap.Pop(&c.timers).(timer)
		if due.at.After(c.now) {
			c.now = due.at
		}
		c.mu.Unlock()
		due.run()
		c.mu.Lock()
	}
	c.now = end
	c.mu.Unlock()
}

type timer struct {
	at  time.Time
	seq int
	run func()
}

type timerHeap []timer

func (h timerHeap) Len() int      { return len(h) }
func (h timerHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *timerHeap) Push(x any)   { *h = append(*h, x.(timer)) }
func (h timerHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].seq < h[j].seq
	}
	return h[i].at.Before(h[j].at)
}

func (h *timerHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
