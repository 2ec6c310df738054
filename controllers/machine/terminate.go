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
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
)

// remover ends the instances of a machine and lets the object go. A launch whose answer was lost is
// repeated for that.
type remover struct{ launcher }

// terminate ends the machine's instances and waits for evidence of the end of them and their
// volumes. A silent account proves nothing, and keeps the machine.
func (r remover) terminate(ctx context.Context, s *scope) error {
	if err := s.key.Load(ctx); err != nil {
		return err
	}
	consoleOf(s, r.finder).Leave(ctx)
	all, err := r.instancesToEnd(ctx, s)
	var notPolled *instances.NotPolledError
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
			return access.NotProvenGone(fmt.Errorf("account %s: %w", e.Account, err))
		}
		if !gone {
			s.Stop()
			s.Requeue(s.Intervals.Progress)
		}
		s.endedIn = append(s.endedIn, e.Account)
	}
	s.hadInstance = len(all) > 0
	if notPolled == nil || s.Stopped() {
		return nil
	}
	// The recorded instance is gone: only now a poll for others is asked for.
	placed, err := r.finder.Access.AccountOf(ctx, s.own.Status.Placement.Account, "machine")
	if err != nil {
		return access.NotProvenGone(err)
	}
	if _, err = r.finder.InstancesIn(s.target(), placed); err != nil {
		return access.NotProvenGone(err)
	}
	// The poll has come meanwhile.
	s.Stop()
	s.Requeue(time.Second)
	return nil
}

// instancesToEnd are all instances of the machine. If there is none, a launch without an answer is
// repeated to be sure. See Finder.ToEnd for the error.
func (r remover) instancesToEnd(ctx context.Context, s *scope) ([]instances.Ending, error) {
	all, err := r.finder.ToEnd(ctx, s.target(), s.recordedInstance())
	mayBeLaunched := s.own.Status.Placement.Account != "" && s.own.Status.Instance.ID == "" && s.key.Exists
	if err == nil && len(all) == 0 && mayBeLaunched {
		return nil, r.repeatLaunch(ctx, s)
	}
	return all, err
}

// recordedInstance says what status tells of the instance to end.
func (s *scope) recordedInstance() instances.Recorded {
	return instances.Recorded{
		Owner: s.owner, Proof: ownership.Recorded(s.own.Status.Instance.ID), AvailabilityDomain: s.own.Status.Placement.AvailabilityDomain,
		KeyExists: s.key.Exists,
	}
}

// endOne brings the end of one instance further and reports it. gone is set once nothing is left.
func (r remover) endOne(ctx context.Context, s *scope, e instances.Ending) (gone bool, err error) {
	in, err := r.finder.Connect(ctx, e.Account)
	if err != nil {
		return false, err
	}
	t := instances.Termination{
		In: in, Ending: e, VolumeNames: s.volumeNames(), Leaving: &s.own.Status.Leaving, Now: s.now, Age: s.Intervals.Progress / 2,
	}
	progress, err := t.Advance(ctx)
	if progress.State != "" && e.Proof.ID() == s.own.Status.Instance.ID {
		s.own.Status.Instance.State = string(progress.State)
	}
	if progress.Waiting != nil {
		s.Deletion = progress.Waiting
	}
	if progress.Again > 0 {
		s.Requeue(progress.Again)
	}
	return progress.Gone, err
}

// waitAsBefore keeps what the deletion was waiting for.
func (s *scope) waitAsBefore() {
	before := conditions.Get(s.before, infrav1.DeletingCondition)
	if before != nil && before.Reason == infrav1.WaitingForTerminationReason {
		s.Deletion = access.NewProblem(before.Reason, "%s", before.Message)
	}
}
