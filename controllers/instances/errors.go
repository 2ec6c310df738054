// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instances

import (
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// NotPolledError waits for the poll of an account. The poll brings the next pass.
type NotPolledError struct{ Account string }

// Error implements error.
func (e *NotPolledError) Error() string { return "waiting for account " + e.Account + " to be polled" }

// Waiting implements phases.Waiter. The time is in case the account holds up the poll.
func (e *NotPolledError) Waiting() *access.Problem {
	return &access.Problem{
		Reason:     infrav1.WaitingForTerminationReason,
		Message:    "Waiting for account " + e.Account + " to be polled",
		RetryAfter: instancecache.Slow + time.Second,
	}
}
