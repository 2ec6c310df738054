// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// terminate ends the machine's instances and waits for evidence of the end of them and their
// volumes. A silent account proves nothing, and keeps the machine.
func (r *Reconciler) terminate(ctx context.Context, s *scope) error {
	if err := s.key.Load(ctx); err != nil {
		return err
	}
	r.leaveConsole(ctx, s)
	all, err := r.instancesToEnd(ctx, s)
	var notPolled *notPolledError
	if err != nil && (len(all) == 0 || !errors.As(err, &notPolled)) {
		return access.NotProvenGone(err)
	}
	for _, e := range all {
		gone, err := r.endOne(ctx, s, e)
		if cloud.IsKind(err, cloud.Throttled) && cloud.WasNotSent(err) {
			// It is this machine's turn later: not worth a condition.
			s.waitAsBefore()
			s.Stop()
			s.Requeue(cloud.RetryAfterOf(err))
			continue
		}
		if err != nil {
			return access.NotProvenGone(fmt.Errorf("account %s: %w", e.account, err))
		}
		if !gone {
			s.Stop()
			s.Requeue(s.Intervals.Progress)
		}
		s.endedIn = append(s.endedIn, e.account)
	}
	s.hadInstance = len(all) > 0
	if notPolled == nil || s.Stopped() {
		return nil
	}
	// The recorded instance is gone: only now a poll for others is asked for.
	placed, err := r.Access.AccountOf(ctx, s.own.Status.Placement.Account, "machine")
	if err != nil {
		return access.NotProvenGone(err)
	}
	if _, err = r.finder().instancesIn(s.target(), placed); err != nil {
		return access.NotProvenGone(err)
	}
	// The poll has come meanwhile.
	s.Stop()
	s.Requeue(time.Second)
	return nil
}

// instancesToEnd are all instances of the machine. If there is none, a launch without an answer is
// repeated to be sure. See finder.toEnd for the error.
func (r *Reconciler) instancesToEnd(ctx context.Context, s *scope) ([]ending, error) {
	all, err := r.finder().toEnd(ctx, s.target(), s.recordedInstance())
	mayBeLaunched := s.own.Status.Placement.Account != "" && s.own.Status.Instance.ID == "" && s.key.Exists
	if err == nil && len(all) == 0 && mayBeLaunched {
		return nil, r.repeatLaunch(ctx, s)
	}
	return all, err
}

// recordedInstance says what status tells of the instance to end.
func (s *scope) recordedInstance() recordedInstance {
	return recordedInstance{
		owner: s.owner, proof: ownership.Recorded(s.own.Status.Instance.ID), availabilityDomain: s.own.Status.Placement.AvailabilityDomain,
		keyExists: s.key.Exists,
	}
}

// endOne brings the end of one instance further and reports it. gone is set once nothing is left.
func (r *Reconciler) endOne(ctx context.Context, s *scope, e ending) (gone bool, err error) {
	in, err := r.finder().connect(ctx, e.account)
	if err != nil {
		return false, err
	}
	t := termination{
		account: in, ending: e, volumeNames: s.volumeNames(), leaving: &s.own.Status.Leaving, now: s.now, age: s.Intervals.Progress / 2,
	}
	progress, err := t.advance(ctx)
	if progress.state != "" && e.proof.ID() == s.own.Status.Instance.ID {
		s.own.Status.Instance.State = string(progress.state)
	}
	if progress.waiting != nil {
		s.Deletion = progress.waiting
	}
	if progress.again > 0 {
		s.Requeue(progress.again)
	}
	return progress.gone, err
}

// waitAsBefore keeps what the deletion was waiting for.
func (s *scope) waitAsBefore() {
	before := conditions.Get(s.before, infrav1.DeletingCondition)
	if before != nil && before.Reason == infrav1.WaitingForTerminationReason {
		s.Deletion = access.NewProblem(before.Reason, "%s", before.Message)
	}
}
