// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package phases

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// Pass is one pass over the phases of an object. Scopes embed it.
type Pass struct {
	// Intervals are between two passes.
	Intervals Intervals
	// Deletion is what a deletion waits for; nil if it does not.
	Deletion *access.Problem

	findings map[string]metav1.Condition
	stopped  bool
	// watched says that a watch brings the next pass.
	watched      bool
	requeueAfter time.Duration
}

func (p *Pass) pass() *Pass { return p }

// Note keeps the first finding of a condition: later ones follow from it. If no phase asks for the
// next pass, it comes at the pace of the reason.
func (p *Pass) Note(condition, reason, format string, args ...any) {
	p.keep(report.NotOK(condition, reason, fmt.Sprintf(format, args...)))
}

// NoteUnknown keeps, as Note does, that the truth of a condition is not known.
func (p *Pass) NoteUnknown(condition, reason, format string, args ...any) {
	p.keep(report.Unknown(condition, reason, fmt.Sprintf(format, args...)))
}

func (p *Pass) keep(finding metav1.Condition) {
	if p.findings == nil {
		p.findings = map[string]metav1.Condition{}
	}
	if _, known := p.findings[finding.Type]; !known {
		p.findings[finding.Type] = finding
	}
}

// Noted is what was noted of the condition.
func (p *Pass) Noted(condition string) (metav1.Condition, bool) {
	found, ok := p.findings[condition]
	return found, ok
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

// Stopped tells whether the pass ends after this phase.
func (p *Pass) Stopped() bool { return p.stopped }

// Requeue asks for a next pass after the time, or earlier if one was asked for earlier.
func (p *Pass) Requeue(after time.Duration) {
	if p.requeueAfter == 0 || after < p.requeueAfter {
		p.requeueAfter = after
	}
}

// Rest asks for the next pass at rest's pace, unless one was asked for.
func (p *Pass) Rest() {
	if p.requeueAfter == 0 {
		p.requeueAfter = p.Intervals.WithDefaults().Poll
	}
}

// WaitFor notes a condition, ends the pass and asks for a next one; after 0 leaves that to the
// watches.
func (p *Pass) WaitFor(after time.Duration, condition, reason, format string, args ...any) {
	p.Note(condition, reason, format, args...)
	p.Stop()
	if after > 0 {
		p.Requeue(after)
	} else {
		p.watched = true
	}
}

// Result is for the workqueue. Jitter keeps objects that were made together from being looked at
// together for ever.
func (p *Pass) Result() ctrl.Result {
	return ctrl.Result{RequeueAfter: report.Jitter(p.requeueAfter)}
}
