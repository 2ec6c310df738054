// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"fmt"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

const (
	// longestCooldown bounds the time between two tries.
	longestCooldown = time.Minute
	// probeWait is when a caller asks again while another one tries.
	probeWait = time.Second
)

// Circuit states, as in metrics.
const (
	circuitClosed   = 0
	circuitHalfOpen = 1
	circuitOpen     = 2
)

// circuit keeps calls from a service that does not answer: open after some failures in a row, then one try at a time, later and
// later. It is not safe for concurrent use.
type circuit struct {
	threshold, failures int
	cooldown            time.Duration
	// opened is how many times in a row; until is when the next try may be made, probing that it is.
	opened  int
	until   time.Time
	probing bool
	// last is what the last call failed with.
	last string
}

// admit is nil if a call may be made.
func (c *circuit) admit(now time.Time) *cloud.Error {
	if c.failures < c.threshold {
		return nil
	}
	wait := c.until.Sub(now)
	switch {
	case wait > 0:
	case c.probing:
		wait = probeWait
	default:
		c.probing = true
		return nil
	}
	return &cloud.Error{
		Kind: cloud.Unavailable, NotSent: true, RetryAfter: wait,
		Message: fmt.Sprintf("the last %d calls were not answered, so that only one is made from time to time; the last failed with: %s",
			c.threshold, c.last),
	}
}

// back gives up an admission that was not used.
func (c *circuit) back() { c.probing = false }

// answered follows any answer but a server's failure.
func (c *circuit) answered() { *c = circuit{threshold: c.threshold, cooldown: c.cooldown} }

// failed follows a call without an answer, or with a server's failure.
func (c *circuit) failed(now time.Time, message string) {
	probed := c.probing
	c.probing, c.last = false, message
	c.failures++
	if c.failures < c.threshold || (now.Before(c.until) && !probed) {
		// What was under way when the circuit opened says nothing new.
		return
	}
	c.until = now.Add(min(longestCooldown, c.cooldown<<min(c.opened, 10)))
	c.opened++
}

func (c *circuit) state(now time.Time) float64 {
	switch {
	case c.failures < c.threshold:
		return circuitClosed
	case now.Before(c.until):
		return circuitOpen
	}
	return circuitHalfOpen
}
