// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/feed"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// phaseError is an error that belongs to a condition. Errors of phases that are none are the API
// server's.
type phaseError struct {
	condition string
	// unknown says that the condition's truth is not known, rather than that it is False.
	unknown bool
	problem *access.Problem
}

func (e *phaseError) Error() string { return e.problem.Error() }

func (e *phaseError) Unwrap() error { return e.problem }

// failed makes an error of a call a condition's.
func failed(condition string, err error) error {
	if err == nil {
		return nil
	}
	return &phaseError{condition: condition, problem: access.AsProblem(err)}
}

// unseen says that what a condition tells could not be looked at.
func unseen(condition string, err error) error {
	return &phaseError{condition: condition, unknown: true, problem: access.AsProblem(err)}
}

// settle ends a pass with an error: what a user is told about goes into a condition and is tried
// again at an interval; only what is nobody's fault but ours, or the API server's, is returned, to
// be logged and tried again with back-off.
func (s *scope) settle(ctx context.Context, phase string, err error, options Options) error {
	s.stop()
	if s.awaits(err) {
		// The poll brings the next pass; this is for the case that the account holds it up.
		s.requeue(min(options.PollInterval, feed.Slow+time.Second))
		return nil
	}
	failure, ok := err.(*phaseError) //nolint:errorlint // Phases return it as it is.
	if !ok {
		return err
	}
	switch _, known := s.findings[failure.condition]; {
	case failure.condition == infrav1.DeletingCondition:
		s.deletion = failure.problem
	case failure.unknown && !known:
		s.findings[failure.condition] = report.Unknown(failure.condition, failure.problem.Reason, failure.problem.Message)
	default:
		s.note(failure.condition, failure.problem.Reason, "%s", failure.problem.Message)
	}
	if failure.problem.Reason == infrav1.InternalErrorReason {
		return err
	}
	ctrl.LoggerFrom(ctx).Info("Cannot go on", "Phase", phase, "reason", failure.problem.Reason, "message", failure.problem.Message)
	s.requeue(s.retryAfter(failure.problem, options))
	return nil
}

// retryAfter is as long as the service asks for; soon for what passes by itself; and at rest's pace
// for what waits for a person, whose mending is also seen by the watches.
func (s *scope) retryAfter(problem *access.Problem, options Options) time.Duration {
	switch {
	case problem.RetryAfter > 0:
		return problem.RetryAfter
	case problem.Reason == infrav1.UnavailableReason, problem.Reason == infrav1.ThrottledReason,
		problem.Reason == infrav1.ConflictReason, problem.Reason == infrav1.WaitingForTerminationReason:
		return options.ProgressInterval
	}
	return options.PollInterval
}

// awaits tells whether a pass ended because an account has to be polled first.
func (s *scope) awaits(err error) bool {
	var notPolled *notPolledError
	if !errors.As(err, &notPolled) {
		return false
	}
	if !s.own.DeletionTimestamp.IsZero() && s.deletion == nil {
		s.deletion = access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for a look at account %s", notPolled.account)
	}
	return true
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
