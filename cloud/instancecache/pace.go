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

// bootIntervals is how many intervals polls leave an instance that is looked for on its tailnet. It
// seldom joins within half a minute of its launch: a poll then would show nothing new, and the one
// that its device asks for would come the later for it.
const bootIntervals = 4

// Next is when the next poll is due. It is one of three: soon, if a machine waits for it; after an
// interval that grows with the time since the last change, while an instance changes state; and at
// rest. After a failure it is as late as the service asks, and later with each failure.
func (c *Cache) Next(pace Pace) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started.IsZero() || c.hurried {
		return time.Time{}
	}
	rest := c.started.Add(pace.Rest)
	switch {
	case c.failure != nil:
		interval := min(pace.Rest, pace.Progress<<min(c.failures-1, 10))
		return c.started.Add(max(interval, cloud.RetryAfterOf(c.failure)))
	case len(c.waiting) > 0:
		return c.started.Add(pace.Progress / 5)
	}
	return c.expected(pace.Progress, rest)
}

// expected is when the first of the requested instances that change state should be looked at, and
// rest at the latest. A list right after a call would show what the call has said.
func (c *Cache) expected(progress time.Duration, rest time.Time) time.Time {
	first := rest
	for _, r := range c.instances {
		if !r.busy() {
			continue
		}
		quiet := min(c.started.Sub(c.changed), c.started.Sub(r.since))
		due := c.started.Add(max(progress, quiet/calming))
		if r.noted && r.since.After(c.started) {
			// The time noted is that of the pass, and the call came after.
			due = r.since.Add(progress + progress/10)
		}
		if patient := r.since.Add(bootIntervals * progress); r.joining && due.Before(patient) {
			due = patient
		}
		if due.Before(first) {
			first = due
		}
	}
	return first
}

// busy tells whether a requested instance is changing state, or lacks addresses that it should
// have.
func (r *record) busy() bool {
	return r.ours && !r.missing && onItsWay(r.instance.State) || r.wantsAddresses()
}

func onItsWay(state oci.LifecycleState) bool {
	switch state {
	case oci.StateRunning, oci.StateStopped, oci.StateTerminated, oci.StateFaulty:
		return false
	}
	return true
}
