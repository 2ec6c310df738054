// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package phases

import (
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// toldError is an error that says in which condition it belongs.
type toldError struct {
	condition       string
	unknown, silent bool
	problem         *access.Problem
}

func (e *toldError) Error() string { return e.problem.Error() }

func (e *toldError) Unwrap() error { return e.problem }

// In makes the error a problem of another condition than the phase's. It is nil for nil.
func In(condition string, err error) error {
	if err == nil {
		return nil
	}
	return &toldError{condition: condition, problem: access.AsProblem(err)}
}

// Unseen says that the truth of a condition is not known, because it could not be looked at.
func Unseen(condition string, err error) error {
	return &toldError{condition: condition, unknown: true, problem: access.AsProblem(err)}
}

// Later ends the pass without a word: nothing is wrong, and the next pass is due after the time.
func Later(after time.Duration) error {
	return &toldError{silent: true, problem: &access.Problem{
		Reason: infrav1.WaitingReason, Message: "Waiting for the next pass", RetryAfter: after,
	}}
}

// told is what becomes of an error.
type told struct {
	condition                  string
	unknown, silent, apiServer bool
	problem                    *access.Problem
}

// describe says what becomes of an error of a phase with the condition. Errors of the API server
// are not told in conditions: they pass, or the condition could not be written either.
func describe(condition string, err error) told {
	var known *toldError
	if errors.As(err, &known) {
		if known.condition != "" {
			condition = known.condition
		}
		return told{condition: condition, unknown: known.unknown, silent: known.silent, problem: known.problem}
	}
	problem := access.AsProblem(err)
	var status apierrors.APIStatus
	return told{
		condition: condition, problem: problem,
		apiServer: problem.Reason == infrav1.InternalErrorReason && errors.As(err, &status),
	}
}
