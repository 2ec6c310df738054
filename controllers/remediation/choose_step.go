// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// startup is how long the first boot may take, as the default template's health checks have it.
const startup = 30 * time.Minute

// chooseStep decides on the next try, and records it before it is made.
func (r *Reconciler) chooseStep(ctx context.Context, s *scope) error {
	const remediated = infrav1.RemediatedCondition
	if s.lost != "" {
		return nil
	}
	if restartsForUpdate(s.infra.Status.Update, s.state, s.now) {
		s.WaitFor(s.Intervals.WithDefaults().Poll, remediated, infrav1.UpdatingReason,
			"Instance is %s for its change in place, which has its time first", s.state)
		return nil
	}
	if s.state == oci.StateStopped && s.infra.Spec.OnStop.LeavesStopped() {
		s.WaitFor(s.Intervals.WithDefaults().Poll, remediated, infrav1.StopLeftReason, "Instance is STOPPED and the machine's onStop is Leave: "+
			"it is neither started nor replaced; start it, set onStop to Start, or delete the Machine")
		return nil
	}
	if s.infra.Spec.IsPreemptible() {
		s.lost = "OCI neither starts nor resets preemptible instances"
		return nil
	}
	next := choose(s.own.Spec.Steps, s.own.Status.Attempts, s.own.CreationTimestamp.Time, s.state, s.now)
	switch {
	case next.send:
	case next.lost != "":
		s.lost = next.lost
	case next.action.Resets() && !s.machine.Status.NodeRef.IsDefined() && s.startsUp():
		s.WaitFor(s.Intervals.WithDefaults().Poll, remediated, infrav1.WaitingReason,
			"Instance was launched at %s, after this request: its Node has until %s to appear",
			s.launched.UTC().Format(time.RFC3339), s.launched.Add(startup).UTC().Format(time.RFC3339))
	case next.action.Resets() && !s.machine.Status.NodeRef.IsDefined():
		// cloud-init runs the user data at the first boot only.
		s.lost = "no Node of the machine has ever appeared, and a reset does not repeat its first boot"
	case next.action != "":
		s.own.Status.Attempts = append(s.own.Status.Attempts, infrav1.RemediationAttempt{
			Action: next.action, DecidedAt: metav1.NewTime(s.now.Truncate(time.Second)),
		})
		message := fmt.Sprintf("%s of the instance is next, which is %s", next.action, s.state)
		s.WaitFor(time.Second, remediated, infrav1.RepairingReason, "%s", message)
		// The Machine says so before it is done: no other control plane is restarted from here on.
		return r.tell(ctx, s, infrav1.RepairingReason, message)
	default:
		s.WaitFor(next.until.Sub(s.now)+time.Second, remediated, infrav1.RepairingReason, "%s", s.waitsFor(next.until))
	}
	return nil
}

// startsUp tells whether the instance is that of a machine that had none when it was complained of.
func (s *scope) startsUp() bool {
	return s.launched.Truncate(time.Second).After(s.own.CreationTimestamp.Time) && s.now.Before(s.launched.Add(startup))
}

// restartsForUpdate tells whether an update in place has the instance down, or gives its node time
// after that. A step that waits to be asked for while the instance runs hinders no repair.
func restartsForUpdate(update infrav1.UpdateStatus, state oci.LifecycleState, now time.Time) bool {
	asked := update.Step != "" && !update.Step.Grows()
	return (asked && state != oci.StateRunning) || (update.Refusal == "" && now.Before(update.NotBefore.Time))
}

// choice is one of four: to send the last attempt, to make another one, to wait, or to give up.
type choice struct {
	send   bool
	action infrav1.RemediationAction
	until  time.Time
	lost   string
}

// choose decides by what was tried and by the present state. A try lasts until its time-out, and a
// state in between is waited for as long as the most patient step allows.
func choose(
	steps []infrav1.RemediationStep, attempts []infrav1.RemediationAttempt, requested time.Time, state oci.LifecycleState, now time.Time,
) choice {
	if len(attempts) > 0 {
		last := attempts[len(attempts)-1]
		if end := last.DecidedAt.Add(timeout(steps, last.Action)); now.Before(end) {
			return choice{send: last.SentAt.IsZero(), until: end}
		}
	}
	for _, step := range steps {
		if suits(step.Action, state) && tried(attempts, step.Action) < int(step.Tries) {
			return choice{action: step.Action}
		}
	}
	if state == oci.StateRunning || state == oci.StateStopped {
		return choice{lost: fmt.Sprintf("no step is left for an instance that is %s", state)}
	}
	if end := endOfPatience(steps, attempts, requested); now.Before(end) {
		return choice{until: end}
	}
	return choice{lost: fmt.Sprintf("the instance has been %s for too long", state)}
}

// endOfPatience is until when a state in between is waited for: from the request, or from the end
// of the last try, for as long as the most patient step allows.
func endOfPatience(steps []infrav1.RemediationStep, attempts []infrav1.RemediationAttempt, requested time.Time) time.Time {
	since := requested
	if len(attempts) > 0 {
		last := attempts[len(attempts)-1]
		since = last.DecidedAt.Add(timeout(steps, last.Action))
	}
	longest := slices.MaxFunc(steps, func(a, b infrav1.RemediationStep) int { return int(a.TimeoutSeconds) - int(b.TimeoutSeconds) })
	return since.Add(seconds(longest))
}

// suits tells whether OCI takes the action in the state.
func suits(action infrav1.RemediationAction, state oci.LifecycleState) bool {
	switch action {
	case infrav1.RemediationStart:
		return state == oci.StateStopped
	case infrav1.RemediationSoftReset, infrav1.RemediationReset:
		return state == oci.StateRunning
	}
	return false
}

func tried(attempts []infrav1.RemediationAttempt, action infrav1.RemediationAction) int {
	count := 0
	for _, attempt := range attempts {
		if attempt.Action == action {
			count++
		}
	}
	return count
}

// timeout is the step's with the action. A step that was taken off the list has none.
func timeout(steps []infrav1.RemediationStep, action infrav1.RemediationAction) time.Duration {
	for _, step := range steps {
		if step.Action == action {
			return seconds(step)
		}
	}
	return 0
}

func seconds(step infrav1.RemediationStep) time.Duration {
	return time.Duration(step.TimeoutSeconds) * time.Second
}

// waitsFor says what was done last, and until when the machine may become healthy.
func (s *scope) waitsFor(until time.Time) string {
	end := until.UTC().Format(time.RFC3339)
	last := s.last()
	if last == nil {
		return fmt.Sprintf("Instance is %s: waiting until %s for a state in which it can be repaired", s.state, end)
	}
	return fmt.Sprintf("%s, try %d of %d, was sent at %s: waiting until %s for the machine to become healthy",
		last.Action, tried(s.own.Status.Attempts, last.Action), tries(s.own.Spec.Steps, last.Action),
		last.SentAt.UTC().Format(time.RFC3339), end)
}

func tries(steps []infrav1.RemediationStep, action infrav1.RemediationAction) int32 {
	for _, step := range steps {
		if step.Action == action {
			return step.Tries
		}
	}
	return 0
}
