// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/remains"
)

// hold ends the pass over an instance whose pool another management cluster holds: a claim to a
// pool counts for its instances. The pool's controller judges the claim.
func (r *Reconciler) hold(_ context.Context, s *scope) error {
	if s.pool != nil && r.Claims.Yields(s.pool.Status.Claim) {
		s.WaitFor(s.Intervals.Poll, infrav1.InstanceReadyCondition, infrav1.HeldElsewhereReason,
			"The instance is of a pool that another management cluster holds, so that nothing is done to it here: see OCIMeshMachinePool %s", s.pool.Name)
	}
	return nil
}

// holdToEnd lets a deletion go on once this management cluster may end the instance. It looks at
// the pool's claim itself: what the pool's status says may be some time old.
func (r *Reconciler) holdToEnd(ctx context.Context, s *scope) error {
	if r.Claims == nil || s.proof.IsZero() || s.ended() || s.instance.State == oci.StateTerminating {
		return nil
	}
	pools, err := s.claimedPools(ctx)
	if err != nil {
		return access.NotProvenGone(err)
	}
	for _, pool := range pools {
		judgement := r.judge(s, pool)
		switch judgement.Outcome {
		case ownership.Foreign:
			// A recorded pool needs no tags.
			continue
		case ownership.Elsewhere:
			r.leave(ctx, s, judgement.Found)
			return nil
		case ownership.Ours:
			if s.pool == nil || judgement.Settled && !s.pool.Status.Claim.State.IsPending() {
				continue
			}
		}
		s.Deletion = access.NewProblem(infrav1.ClaimingReason, "Instance pool %s is being claimed from another management cluster, which may "+
			"contest that for %s: the deletion of instance %s waits until then", pool.ID, r.Claims.Window(), s.proof.ID())
		s.Stop()
		s.Requeue(min(s.Intervals.Progress, r.Claims.Window()))
		return nil
	}
	return nil
}

// judge is package ownership's judgement of a pool. Without its object here nobody would claim it.
func (r *Reconciler) judge(s *scope, pool oci.InstancePool) ownership.Judgement {
	if s.pool != nil {
		holder := r.Claims.Holder(s.pool, s.pool.Status.Claim, pool.ID, s.now, s.Intervals.Poll)
		return poolid.Owner(s.pool).HeldBy(holder).Judge(pool.ID, pool.Tags)
	}
	judgement := ownership.Judgement{Outcome: ownership.Ours, Found: ownership.ClaimIn(pool.Tags)}
	if holder := judgement.Found.Holder; holder != "" && holder != r.Claims.Guard().ID {
		judgement.Outcome = ownership.Elsewhere
	}
	return judgement
}

// claimedPools are the live instance pools in question: the recorded one, or those with the pool's
// tags.
func (s *scope) claimedPools(ctx context.Context) ([]oci.InstancePool, error) {
	if s.pool != nil && s.pool.Status.Pool.ID != "" && s.pool.Spec.Account == s.account.Name {
		pool, exists, err := poolid.Observe(ctx, s.client, s.pool.Status.Pool.ID)
		if err != nil || !exists || pool.State == oci.StateTerminated {
			return nil, err
		}
		return []oci.InstancePool{pool}, nil
	}
	mark := remains.Mark(s.instance.Tags)
	if s.pool != nil {
		mark = poolid.Owner(s.pool).Tags()
	}
	if mark == nil {
		return nil, nil
	}
	pools, err := s.client.ListInstancePools(ctx, mark)
	var live []oci.InstancePool
	for _, pool := range pools {
		if pool.State != oci.StateTerminated {
			live = append(live, pool)
		}
	}
	return live, err
}

// leave lets the object go and ends nothing.
func (r *Reconciler) leave(ctx context.Context, s *scope, claim ownership.Claim) {
	claims.Left(r.Recorder, s.own, claim, "Instance "+s.proof.ID())
	ctrl.LoggerFrom(ctx).Info("Left the instance to the management cluster that holds its pool", "instance", s.proof.ID(), "holder", claim.Holder)
	controllerutil.RemoveFinalizer(s.own, expv1.OCIMeshMachinePoolMachineFinalizer)
	s.Stop()
}
