// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package circuit keeps calls from unresponsive services. It is pure: its callers pass the time.
package circuit

import (
	"fmt"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

const (
	// longestCooldown bounds the time between two tries.
	longestCooldown = time.Minute
	// probeWait is how long a caller waits while another one tries.
	probeWait = time.Second
)

// States of a circuit, as in metrics.
const (
	Closed   = 0
	HalfOpen = 1
	Open     = 2
)

// Circuit keeps calls from an unresponsive service: it opens after some failures in a row, then
// allows one try at a time, at growing intervals. It is not safe for concurrent use.
type Circuit struct {
	threshold, failures int
	cooldown            time.Duration
	// opened counts openings in a row; until is the time of the next try, probing is set during it.
	opened  int
	until   time.Time
	probing bool
	// last is the last call's error.
	last string
}

// New returns a closed circuit. It opens after threshold failures in a row, for the cooldown at
// first.
func New(threshold int, cooldown time.Duration) *Circuit {
	return &Circuit{threshold: threshold, cooldown: cooldown}
}

// Admit is nil if a call may be made; the caller must then call Answered, Failed or Back. Else it
// is Unavailable, NotSent, with the time to ask again.
func (c *Circuit) Admit(now time.Time) *cloud.Error {
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

// Back gives up an unused admission.
func (c *Circuit) Back() { c.probing = false }

// Answered is called after any answer but a server's failure.
func (c *Circuit) Answered() { *c = Circuit{threshold: c.threshold, cooldown: c.cooldown} }

// Failed is called after a call without an answer, or with a server's failure. The message must not
// differ from call to call without need: conditions repeat it.
func (c *Circuit) Failed(now time.Time, message string) {
	probed := c.probing
	c.probing, c.last = false, message
	c.failures++
	if c.failures < c.threshold || (now.Before(c.until) && !probed) {
		// A call in flight when the circuit opened says nothing new.
		return
	}
	c.until = now.Add(min(longestCooldown, c.cooldown<<min(c.opened, 10)))
	c.opened++
}

// State is one of the states.
func (c *Circuit) State(now time.Time) float64 {
	switch {
	case c.failures < c.threshold:
		return Closed
	case now.Before(c.until):
		return Open
	}
	return HalfOpen
}
