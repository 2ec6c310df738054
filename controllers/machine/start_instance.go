// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/updates"
)

const (
	// firstStart is between a start and the next one; it doubles with each, up to longestStart.
	firstStart, longestStart = time.Minute, 30 * time.Minute
	// stopsCountOn is for how long after a start another stop is one of the same row: somebody, or
	// something, stops the instance each time.
	stopsCountOn = time.Hour
	// stopRemembered is for how long the condition tells of a stop that is over.
	stopRemembered = 24 * time.Hour
)

// starter starts instances that somebody stopped.
type starter struct{ finder instances.Finder }

// startInstance starts an instance that somebody stopped outside of this provider, as the machine's
// onStop says. No verb of the provider stops one for good. A preemptible one may shut itself down.
func (t starter) startInstance(ctx context.Context, s *scope) error {
	if s.instance == nil || updates.IsRestarting(s.own.Status.Update) {
		return nil
	}
	if s.instance.State != oci.StateStopped {
		forgetStop(s)
		return nil
	}
	stop := noteStop(s)
	if s.own.Spec.IsPreemptible() {
		s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceStoppedReason,
			"%s: OCI starts no preemptible instance, so delete the Machine, and it is replaced", stop.found())
		return nil
	}
	if s.own.Spec.OnStop.LeavesStopped() {
		s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceStoppedReason,
			"%s: onStop is Leave, so start it, or delete the Machine", stop.found())
		return nil
	}
	if due := stop.due(); s.now.Before(due) {
		s.Requeue(due.Sub(s.now))
		if stop.Refusal != "" {
			s.Note(infrav1.InstanceReadyCondition, stop.RefusalReason, "%s", stop.refused())
			return nil
		}
		s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceStoppedReason,
			"%s: it was started again %d times, the next time at %s; see who stops it", stop.found(), stop.Starts, stamp(due))
		return nil
	}
	return t.start(ctx, s, stop)
}

// start asks for the start. What status says of it may be lost: OCI refuses to start what runs.
func (t starter) start(ctx context.Context, s *scope, stop stopped) error {
	in, err := t.finder.Connect(ctx, s.own.Status.Placement.Account)
	if err != nil {
		return err
	}
	token := cloud.RetryToken("start", s.owner.Digest(), stamp(stop.SeenAt.Time), strconv.Itoa(int(stop.Starts)))
	started, err := in.Client.InstanceAction(ctx, ownership.Recorded(s.own.Status.Instance.ID), oci.ActionStart, token)
	if err != nil && cloud.WasNotSent(err) {
		return err
	}
	stop.Starts++
	stop.StartedAt = metav1.NewTime(s.now.Truncate(time.Second))
	stop.Refusal, stop.RefusalReason = "", ""
	switch {
	case cloud.IsKind(err, cloud.Conflict):
		// Somebody else was first.
		in.Cache.Hurry()
	case err != nil:
		problem := access.AsProblem(err)
		stop.Refusal, stop.RefusalReason = report.Truncate(problem.Message, maxMessage), problem.Reason
		return &access.Problem{Reason: problem.Reason, Message: stop.refused(), Err: err, RetryAfter: stop.due().Sub(s.now)}
	default:
		in.Cache.Note(started, s.now)
		ctrl.LoggerFrom(ctx).Info("Started an instance that somebody stopped", "instance", s.own.Status.Instance.ID)
		recordEvent(s, "InstanceStarted", "Start", "%s: started it again", stop.found())
	}
	s.Requeue(s.Intervals.Progress)
	s.Note(infrav1.InstanceReadyCondition, infrav1.InstanceStoppedReason, "%s: it is being started again", stop.found())
	return nil
}

// stopped is the machine's record of a stop.
type stopped struct{ *infrav1.StopStatus }

// noteStop records when the instance was first seen stopped. While a restart of ours may be why, it
// is not seen yet.
func noteStop(s *scope) stopped {
	stop := &s.own.Status.Stop
	if stop.SeenAt.IsZero() || s.before.Status.Instance.State != string(oci.StateStopped) || updates.IsRestarting(s.before.Status.Update) {
		stop.SeenAt = metav1.NewTime(s.now.Truncate(time.Second))
		if s.now.Sub(stop.StartedAt.Time) > stopsCountOn {
			*stop = infrav1.StopStatus{SeenAt: stop.SeenAt}
		}
	}
	return stopped{stop}
}

// forgetStop drops the record of a stop that is long over.
func forgetStop(s *scope) {
	if s.instance.State == oci.StateRunning && s.now.Sub(s.own.Status.Stop.SeenAt.Time) > stopRemembered {
		s.own.Status.Stop = infrav1.StopStatus{}
	}
}

// due is when the instance may be started again.
func (s stopped) due() time.Time {
	if s.Starts == 0 {
		return s.SeenAt.Time
	}
	return s.StartedAt.Add(min(longestStart, firstStart<<min(s.Starts-1, 10)))
}

// found says what was seen.
func (s stopped) found() string {
	return fmt.Sprintf("Instance was seen STOPPED at %s, and this provider did not ask for it", stamp(s.SeenAt.Time))
}

// refused says why it is not started, and until when.
func (s stopped) refused() string {
	return fmt.Sprintf("%s; starting it again: %s; the next try is at %s", s.found(), s.Refusal, stamp(s.due()))
}

// stopOver tells of a stop while the instance runs again; empty if there was none.
func stopOver(stop *infrav1.StopStatus) string {
	if stop.SeenAt.IsZero() {
		return ""
	}
	over := stopped{stop}.found()
	if stop.Starts > 0 && stop.Refusal == "" {
		over += "; it was started again at " + stamp(stop.StartedAt.Time)
	}
	return over
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
