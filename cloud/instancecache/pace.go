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
	case c.busy():
		quiet := c.started.Sub(c.changed)
		interval = min(pace.Rest, max(pace.Progress, quiet/calming))
	}
	return c.started.Add(interval)
}

// busy tells whether a requested instance is changing state.
func (c *Cache) busy() bool {
	for _, r := range c.instances {
		if r.ours && !r.missing && onItsWay(r.instance.State) || r.wantsAddresses() {
			return true
		}
	}
	return false
}

func onItsWay(state oci.LifecycleState) bool {
	switch state {
	case oci.StateRunning, oci.StateStopped, oci.StateTerminated, oci.StateFaulty:
		return false
	}
	return true
}
