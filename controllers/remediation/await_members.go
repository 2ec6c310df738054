// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/workload"
)

// awaitMembers has control planes reset one after the other. A Node that is not Ready may still run
// a member of etcd: two that are down at once would take the quorum of three away. A stopped
// instance runs none, and is started at any time.
func (r *Reconciler) awaitMembers(ctx context.Context, s *scope) error {
	if s.lost != "" || s.state != oci.StateRunning || !util.IsControlPlaneMachine(s.machine) {
		return nil
	}
	controlPlanes, err := workload.ControlPlanes(ctx, r.Client, s.machine)
	if err != nil {
		return err
	}
	for i := range controlPlanes {
		other := &controlPlanes[i]
		if other.Name == s.machine.Name {
			continue
		}
		for _, await := range []func(context.Context, *scope, *clusterv1.Machine) error{r.awaitRepair, r.awaitReturn} {
			if err := await(ctx, s, other); err != nil {
				return err
			}
			if s.Stopped() {
				s.dropUnsent()
				return nil
			}
		}
	}
	return nil
}

// awaitRepair waits for the other one's try, unless it is healthy since its request was made.
func (r *Reconciler) awaitRepair(ctx context.Context, s *scope, other *clusterv1.Machine) error {
	request := &infrav1.OCIMeshRemediation{}
	if err := r.Client.Get(ctx, client.ObjectKeyFromObject(other), request); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("reading the request of Machine %s: %w", other.Name, err)
	}
	end := endOfTry(request)
	if healthySince(other, request.CreationTimestamp.Time) || !s.now.Before(end) || s.goesBefore(request) {
		return nil
	}
	s.WaitFor(end.Sub(s.now)+time.Second, infrav1.RemediatedCondition, infrav1.RepairingReason,
		"Waiting for control plane %s, which is being repaired and has time until %s", other.Name, end.UTC().Format(time.RFC3339))
	return nil
}

// awaitReturn waits for the other one's instance while it is down and on its way back, for as long
// as any state in between is waited for: then this repair goes on, whatever keeps the other one. A
// try that was not sent does not begin that time anew. One that comes has no member of etcd yet,
// and one that goes has given it up.
func (r *Reconciler) awaitReturn(ctx context.Context, s *scope, other *clusterv1.Machine) error {
	unsent := func(try infrav1.RemediationAttempt) bool { return try.SentAt.IsZero() }
	sent := slices.DeleteFunc(slices.Clone(s.own.Status.Attempts), unsent)
	until := endOfPatience(s.own.Spec.Steps, sent, s.own.CreationTimestamp.Time)
	if s.isSent() || !s.now.Before(until) || !other.Status.NodeRef.IsDefined() || !other.DeletionTimestamp.IsZero() {
		return nil
	}
	infra := &infrav1.OCIMeshMachine{}
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: other.Namespace, Name: other.Spec.InfrastructureRef.Name}, infra)
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	if !comesBack(infra, s.now) {
		return nil
	}
	s.WaitFor(min(s.Intervals.WithDefaults().Poll, until.Sub(s.now)+time.Second), infrav1.RemediatedCondition, infrav1.RepairingReason,
		"Waiting for control plane %s, which is down or restarts (its instance is %s), until %s at the latest: without both of them etcd could lose its quorum",
		other.Name, infra.Status.Instance.State, until.UTC().Format(time.RFC3339))
	return nil
}

// comesBack tells whether the machine's instance is down, or about to be by OCI's doing, and is to
// run again. A restart that was not asked for yet may itself wait for this repair. Nobody waits for
// one that is to stay stopped, or that OCI does not start: repairs are the way out then.
func comesBack(machine *infrav1.OCIMeshMachine, now time.Time) bool {
	state := oci.LifecycleState(machine.Status.Instance.State)
	switch {
	case state == "", state.IsEnding():
		return false
	case restartsForUpdate(machine.Status.Update, state, now), machine.Status.Update.WorkRequestID != "":
		return true
	case state == oci.StateStopped:
		return !machine.Spec.OnStop.LeavesStopped() && !machine.Spec.IsPreemptible() && machine.Status.Stop.Refusal == ""
	}
	return state != oci.StateRunning
}

// dropUnsent forgets a try that was decided and not sent, since two requests were seen at once, or
// the other instance went down in between: its time is not to pass while it waits.
func (s *scope) dropUnsent() {
	if last := s.last(); last != nil && last.SentAt.IsZero() && s.now.Before(endOfTry(s.own)) {
		s.own.Status.Attempts = s.own.Status.Attempts[:len(s.own.Status.Attempts)-1]
	}
}

// isSent tells whether this request's try is under way.
func (s *scope) isSent() bool {
	own := s.last()
	return own != nil && !own.SentAt.IsZero() && s.now.Before(endOfTry(s.own))
}

// endOfTry is when the last try of a request is over; zero if there was none.
func endOfTry(request *infrav1.OCIMeshRemediation) time.Time {
	attempts := request.Status.Attempts
	if len(attempts) == 0 {
		return time.Time{}
	}
	last := attempts[len(attempts)-1]
	return last.DecidedAt.Add(timeout(request.Spec.Steps, last.Action))
}

// goesBefore tells whether this request's try is under way, or was decided before the other's: of
// two that were decided at once one goes on.
func (s *scope) goesBefore(other *infrav1.OCIMeshRemediation) bool {
	own := s.last()
	if own == nil || !s.now.Before(endOfTry(s.own)) {
		return false
	}
	theirs := other.Status.Attempts[len(other.Status.Attempts)-1]
	switch {
	case !own.SentAt.IsZero():
		return true
	case !theirs.SentAt.IsZero():
		return false
	case own.DecidedAt.Equal(&theirs.DecidedAt):
		return s.own.Name < other.Name
	}
	return own.DecidedAt.Before(&theirs.DecidedAt)
}
