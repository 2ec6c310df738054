// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package phases

import (
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// Waiter is an error that is no problem: something has to come first, and whatever brings it brings
// the next pass as well.
type Waiter interface {
	error
	// Waiting is what a deletion is said to wait for meanwhile. Its RetryAfter bounds the wait.
	Waiting() *access.Problem
}

// toldError is an error that says in which condition it belongs.
type toldError struct {
	condition string
	unknown   bool
	problem   *access.Problem
}

func (e *toldError) Error() string { return e.problem.Error() }

func (e *toldError) Unwrap() error { return e.problem }

// In makes the error a problem of another condition than the phase's. What is told in no condition,
// a Waiter or an error of the API server, stays as it is.
func In(condition string, err error) error {
	var waiter Waiter
	if err == nil || errors.As(err, &waiter) || isAPIServers(err) {
		return err
	}
	return &toldError{condition: condition, problem: access.AsProblem(err)}
}

// Unseen says that the truth of the phase's condition is not known, because it could not be looked
// at. It is nil for nil.
func Unseen(err error) error {
	if err == nil {
		return nil
	}
	return &toldError{unknown: true, problem: access.AsProblem(err)}
}

// told is what becomes of an error.
type told struct {
	condition string
	problem   *access.Problem
	// unknown says that the truth of the condition is not known, waiting that nothing is wrong, and
	// apiServer that the error is returned and not told.
	unknown, waiting, apiServer bool
}

// describe says what becomes of an error of a phase with the condition. Errors of the API server
// are not told in conditions: they pass, or the condition could not be written either.
func describe(condition string, err error) told {
	var waiter Waiter
	if errors.As(err, &waiter) {
		return told{condition: condition, problem: waiter.Waiting(), waiting: true}
	}
	var known *toldError
	if errors.As(err, &known) {
		if known.condition != "" {
			condition = known.condition
		}
		return told{condition: condition, problem: known.problem, unknown: known.unknown}
	}
	return told{condition: condition, problem: access.AsProblem(err), apiServer: isAPIServers(err)}
}

func isAPIServers(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status) && access.AsProblem(err).Reason == infrav1.InternalErrorReason
}
