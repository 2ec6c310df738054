// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package phases is the flow of every reconcile: ordered phases, each of which answers for one
// condition. Waiting, errors and the time of the next pass are settled here and nowhere else.
package phases

import (
	"context"
	"errors"

	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// Phase is one step of a pass over the scope S.
type Phase[S Scope] struct {
	// Name is for logs. The file of the phase and its test have the same name.
	Name string
	// Condition tells a problem of the phase; DeletingCondition for phases of a deletion. An error
	// made by In or Unseen may name another one.
	Condition string
	// Independent phases hold up no later one: their problem is told, and the pass goes on.
	Independent bool
	// Run does the step.
	Run func(context.Context, S) error
}

// Scope is what the phases of one pass know. It embeds a Pass.
type Scope interface {
	pass() *Pass
}

// Run calls the phases in order until one of them stops the pass or fails. A problem, of OCI, the
// tailnet or what the user wrote, goes into a condition and asks for a next pass. Other errors are
// the API server's or ours: they are returned, for the workqueue to retry with back-off.
func Run[S Scope](ctx context.Context, scope S, phases []Phase[S]) error {
	p := scope.pass()
	var returned []error
	for _, phase := range phases {
		if err := phase.Run(ctx, scope); err != nil {
			returned = append(returned, p.settle(ctx, phase.Name, phase.Condition, err))
			if !phase.Independent {
				p.Stop()
			}
		}
		if p.stopped {
			break
		}
	}
	if p.requeueAfter == 0 && !p.watched && len(returned) == 0 {
		p.requeueByFindings()
	}
	return errors.Join(returned...)
}

// requeueByFindings asks for the next pass by the reasons that were noted, if no phase has asked
// for one: nothing that is told is left to be forgotten.
func (p *Pass) requeueByFindings() {
	intervals := p.Intervals.WithDefaults()
	for _, finding := range p.findings {
		p.Requeue(intervals.After(&access.Problem{Reason: finding.Reason}))
	}
}

// settle tells about the error of a phase, and returns it if it is nobody's fault but ours or the
// API server's.
func (p *Pass) settle(ctx context.Context, phase, condition string, err error) error {
	told := describe(condition, err)
	intervals := p.Intervals.WithDefaults()
	if told.waiting {
		if told.condition == infrav1.DeletingCondition && p.Deletion == nil {
			p.Deletion = told.problem
		}
		p.Requeue(min(intervals.Poll, intervals.After(told.problem)))
		return nil
	}
	if told.apiServer {
		return err
	}
	switch problem := told.problem; {
	case told.condition == infrav1.DeletingCondition:
		p.Deletion = problem
	case told.unknown:
		p.keep(report.Unknown(told.condition, problem.Reason, problem.Message))
	default:
		p.keep(report.NotOK(told.condition, problem.Reason, problem.Message))
	}
	if told.problem.Reason == infrav1.InternalErrorReason {
		return err
	}
	log := ctrl.LoggerFrom(ctx)
	if pace := intervals.paceOf(told.problem.Reason); pace == UnderWay || pace == Leaving {
		// Nothing failed: it takes its time, and the condition says so.
		log = log.V(2)
	}
	log.Info("The phase is not done", "phase", phase,
		"reason", told.problem.Reason, "message", told.problem.Message)
	p.Requeue(intervals.After(told.problem))
	return nil
}
