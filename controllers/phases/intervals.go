// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package phases

import (
	"slices"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
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

// underWay are the reasons while something is being made or removed.
var underWay = []string{
	infrav1.NetworkProvisioningReason, infrav1.EndpointProvisioningReason, infrav1.InstanceProvisioningReason,
	infrav1.ClaimingReason, infrav1.DeletingReason, infrav1.WaitingReason,
}

// passing are the reasons of problems that pass by themselves.
var passing = []string{
	infrav1.UnavailableReason, infrav1.ThrottledReason, infrav1.ConflictReason,
	infrav1.WaitingForTerminationReason, infrav1.WaitingForAccountReason, infrav1.NetworkInUseReason,
	infrav1.LoadBalancerInUseReason,
}

// outside are the reasons of problems that a person has to fix at OCI or at the control server.
var outside = []string{
	infrav1.AuthenticationFailedReason, infrav1.NotAuthorizedOrNotFoundReason, infrav1.RegionUnknownReason,
	infrav1.RequestRefusedReason, infrav1.TagNotPermittedReason, infrav1.ScopeMissingReason, infrav1.HeadscaleTooOldReason,
}

// After is when an object with the problem is looked at again: after as long as the service asks
// for, soon for what passes by itself, and at rest's pace for what waits for a person, whose fix
// the watches show as well unless it is made outside of Kubernetes. A nil problem is none.
func (i Intervals) After(problem *access.Problem) time.Duration {
	switch {
	case problem == nil:
		return i.Poll
	case problem.RetryAfter > 0:
		return max(problem.RetryAfter, i.Least)
	case slices.Contains(underWay, problem.Reason):
		return i.Progress
	case slices.Contains(passing, problem.Reason):
		return i.Retry
	case slices.Contains(outside, problem.Reason):
		return i.Outside
	}
	return i.Poll
}
