// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instancecache

import (
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// Pace is how often an account is polled.
type Pace struct {
	// Rest is the interval while nothing changes, Progress while something does.
	Rest, Progress time.Duration
}

// calming is how many times the present interval must pass without a change before it grows: a
// stuck instance deserves less haste than a booting one.
const calming = 6

// Next is when the next poll is due. It is one of three: soon, if a machine waits for it; after an
// interval that grows with the time since the last change, while an instance changes state; and at
// rest. After a failure it is as late as the service asks, and later with each failure.
func (c *Cache) Next(pace Pace) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started.IsZero() || c.hurried {
		return time.Time{}
	}
	interval := pace.Rest
	switch {
	case c.failure != nil:
		interval = min(pace.Rest, pace.Progress<<min(c.failures-1, 10))
		interval = max(interval, cloud.RetryAfterOf(c.failure))
	case len(c.waiting) > 0:
		interval = pace.Progress / 5
	default:
		if due, busy := c.busy(pace); busy {
			return due
		}
	}
	return c.started.Add(interval)
}

// busy tells whether a requested instance is changing state, and when the next poll is worth it:
// when the first is expected to be done. Those that follow shortly after it are seen by the same.
func (c *Cache) busy(pace Pace) (due time.Time, busy bool) {
	quiet := c.started.Sub(c.changed)
	interval := min(pace.Rest, max(pace.Progress, quiet/calming))
	var all []time.Time
	for _, r := range c.instances {
		changes := r.ours && !r.missing && onItsWay(r.instance.State)
		if !changes && !r.wantsAddresses() {
			continue
		}
		at := c.started.Add(interval)
		if expected, ok := c.expected(r, pace); ok && changes {
			at = expected
		}
		if all = append(all, at); due.IsZero() || at.Before(due) {
			due = at
		}
	}
	latest := due.Add(pace.Progress / 5)
	for _, at := range all {
		if at.After(due) && !at.After(latest) {
			due = at
		}
	}
	return due, len(all) > 0
}

// late is how many times longer it may take than expected until nothing is expected any more;
// looks is the part of the expected time between two looks at what takes longer.
const late, looks = 2, 8

// expected is when the change that was asked for should be done, by what others took.
func (c *Cache) expected(r *record, pace Pace) (at time.Time, ok bool) {
	took := c.took[r.instance.State == oci.StateTerminating]
	if r.asked.IsZero() {
		return at, false
	}
	if took == 0 {
		// Nobody knows: not at once, since a list just after the request shows nothing new.
		at = r.asked.Add(pace.Progress)
		return at, c.started.Before(at)
	}
	at = r.asked.Add(took)
	for end := r.asked.Add(late * took); !at.After(c.started); at = at.Add(max(time.Second, took/looks)) {
		if at.After(end) {
			return at, false
		}
	}
	// A change that fails ends early.
	return earlier(at, later(r.asked, c.started).Add(3*pace.Progress)), true
}

// learn notes how long a change took that was asked for, from a list that was begun at the time. It
// ended since the list before, if that was begun after the request.
func (c *Cache) learn(r *record, state oci.LifecycleState, began time.Time) {
	isEnd := state == oci.StateTerminated
	if r.asked.IsZero() || r.instance.State == state || !isEnd && state != oci.StateRunning ||
		isEnd != (r.instance.State == oci.StateTerminating) {
		return
	}
	took := began.Sub(r.asked)
	if c.began.After(r.asked) {
		took -= began.Sub(c.began) / 2
	} else {
		// It may have been done for long.
		took -= took / 20
	}
	if c.took == nil {
		c.took = map[bool]time.Duration{}
	}
	c.took[isEnd], r.asked = took, time.Time{}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func onItsWay(state oci.LifecycleState) bool {
	switch state {
	case oci.StateRunning, oci.StateStopped, oci.StateTerminated, oci.StateFaulty:
		return false
	}
	return true
}
