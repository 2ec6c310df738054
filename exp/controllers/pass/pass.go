// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package pass is what the phases of one reconcile share: what was found, whether to go on, and
// when to look again.
//
// It may import api, controllers/access and controllers/report.
package pass

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// Pass is one pass over the phases of an object.
type Pass struct {
	// Poll is how often the object is looked at when at rest, Progress when it changes.
	Poll, Progress time.Duration
	// Deletion is what a deletion waits for; nil if it does not.
	Deletion *access.Problem

	findings     map[string]metav1.Condition
	stopped      bool
	requeueAfter time.Duration
}

// Phase is one step. A problem of it goes into a condition; any other error is the API server's and
// is returned.
type Phase struct {
	// Name is for logs.
	Name string
	// Condition is the one that a problem of the phase is told in; DeletingCondition for phases of
	// a deletion.
	Condition string
	// Run does the step.
	Run func(context.Context) error
}

// Run calls the phases in order until one stops the pass or fails.
func (p *Pass) Run(ctx context.Context, phases ...Phase) error {
	for _, phase := range phases {
		if err := phase.Run(ctx); err != nil {
			return p.settle(ctx, phase, err)
		}
		if p.stopped {
			return nil
		}
	}
	return nil
}

func (p *Pass) settle(ctx context.Context, phase Phase, err error) error {
	p.stopped = true
	problem := access.AsProblem(err)
	if phase.Condition == infrav1.DeletingCondition {
		p.Deletion = problem
	} else {
		p.Note(phase.Condition, problem.Reason, "%s", problem.Message)
	}
	if problem.Reason == infrav1.InternalErrorReason {
		return err
	}
	ctrl.LoggerFrom(ctx).Info("Cannot go on", "Phase", phase.Name, "reason", problem.Reason, "message", problem.Message)
	switch {
	case problem.RetryAfter > 0:
		p.Requeue(problem.RetryAfter)
	case problem.Reason == infrav1.UnavailableReason, problem.Reason == infrav1.ThrottledReason, problem.Reason == infrav1.ConflictReason,
		problem.Reason == infrav1.WaitingReason, problem.Reason == infrav1.WaitingForTerminationReason:
		p.Requeue(p.Progress)
	default:
		p.Requeue(p.Poll)
	}
	return nil
}

// Note keeps the first finding of a condition: later ones follow from it.
func (p *Pass) Note(condition, reason, format string, args ...any) {
	if p.findings == nil {
		p.findings = map[string]metav1.Condition{}
	}
	if _, known := p.findings[condition]; !known {
		p.findings[condition] = report.NotOK(condition, reason, fmt.Sprintf(format, args...))
	}
}

// Found is what was noted of the condition, or else the condition that otherwise makes.
func (p *Pass) Found(condition string, otherwise func() metav1.Condition) metav1.Condition {
	if found, ok := p.findings[condition]; ok {
		return found
	}
	return otherwise()
}

// Stop ends the pass after this phase.
func (p *Pass) Stop() { p.stopped = true }

// Requeue asks for a next pass after the time, or earlier if one was asked for earlier.
func (p *Pass) Requeue(after time.Duration) {
	if p.requeueAfter == 0 || after < p.requeueAfter {
		p.requeueAfter = after
	}
}

// WaitFor notes a condition, ends the pass and asks for a next one.
func (p *Pass) WaitFor(after time.Duration, condition, reason, format string, args ...any) {
	p.Note(condition, reason, format, args...)
	p.Stop()
	p.Requeue(after)
}

// Result is for the workqueue. Jitter keeps objects that were made together from being looked at
// together for ever.
func (p *Pass) Result() ctrl.Result {
	if p.requeueAfter <= 0 {
		return ctrl.Result{}
	}
	return ctrl.Result{RequeueAfter: wait.Jitter(p.requeueAfter, 0.1)}
}
