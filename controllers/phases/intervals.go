// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package phases

import (
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// Intervals are how often an object is looked at. Zero values stand for the defaults.
type Intervals struct {
	// Poll is for an object at rest, and for a problem that a person has to fix; 60 seconds by
	// default.
	Poll time.Duration
	// Retry is for a problem that passes by itself; 10 seconds by default.
	Retry time.Duration
	// Progress is for what is being made or removed; Retry by default.
	Progress time.Duration
	// Outside is for a problem that a person has to fix outside of Kubernetes, where no watch sees
	// it; Poll by default.
	Outside time.Duration
	// Least is waited for even if a service asks for less; nothing by default.
	Least time.Duration
	// Paces are those of reasons that only this kind has.
	Paces map[string]Pace
}

// WithDefaults fills in what is not set.
func (i Intervals) WithDefaults() Intervals {
	if i.Poll <= 0 {
		i.Poll = time.Minute
	}
	if i.Retry <= 0 {
		i.Retry = 10 * time.Second
	}
	if i.Progress <= 0 {
		i.Progress = i.Retry
	}
	if i.Outside <= 0 {
		i.Outside = i.Poll
	}
	return i
}

// After is when an object with the problem is looked at again: after as long as the service asks
// for, soon for what passes by itself, and at rest's pace for what waits for a person, whose fix
// the watches show as well unless it is made outside of Kubernetes. A nil problem is none.
func (i Intervals) After(problem *access.Problem) time.Duration {
	if problem == nil {
		return i.Poll
	}
	if problem.RetryAfter > 0 {
		return max(problem.RetryAfter, i.Least)
	}
	switch i.paceOf(problem.Reason) {
	case UnderWay, Leaving:
		return i.Progress
	case Passing:
		return i.Retry
	case Outside:
		return i.Outside
	case AtRest, Awaited:
		return i.Poll
	}
	return i.Poll
}
