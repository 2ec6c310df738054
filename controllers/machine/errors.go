// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"errors"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// notPolledError waits for the poll of an account. The poll brings the next pass.
type notPolledError struct{ account string }

func (e *notPolledError) Error() string { return "waiting for account " + e.account + " to be polled" }

// Waiting implements phases.Waiter. The time is in case the account holds up the poll.
func (e *notPolledError) Waiting() *access.Problem {
	return &access.Problem{
		Reason:     infrav1.WaitingForTerminationReason,
		Message:    "Waiting for account " + e.account + " to be polled",
		RetryAfter: instancecache.Slow + time.Second,
	}
}

func problemReason(err error) string { return access.AsProblem(err).Reason }

func problemMessage(err error) string { return access.AsProblem(err).Message }

// asDuplicate gives two live instances their own reason.
func asDuplicate(err error) error {
	var duplicated *instance.DuplicatedError
	if errors.As(err, &duplicated) {
		return &access.Problem{Reason: infrav1.InstanceDuplicatedReason, Message: duplicated.Error(), Err: err}
	}
	return err
}
