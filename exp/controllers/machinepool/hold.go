// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
)

// claimer lays this management cluster's claims to instance pools. The claim to a pool counts for
// all that belongs to it, as that to a VCN does for what is in it: OCI launches the instances by
// itself, so that no claim of theirs could be kept right, and a configuration has no life without
// its pool.
type claimer struct {
	client   client.Client
	claims   *claims.Claims
	recorder events.EventRecorder
}

func (r *Reconciler) claimer() claimer {
	return claimer{client: r.Client, claims: r.Claims, recorder: r.Recorder}
}

// standing is how this management cluster stands to an instance pool. If it is neither ours nor
// elsewhere, a claim to it is on its way.
type standing struct {
	// ours is in our care; what cannot be undone waits until it is settled, too.
	ours, settled bool
	// elsewhere is held by another management cluster, by its claim.
	elsewhere bool
	claim     ownership.Claim
}

// stand decides about an instance pool that was looked at in this pass. A decision to claim it is
// recorded before the claim is written: a later reader of another claim then knows of the contest.
func (c claimer) stand(ctx context.Context, s *scope, pool oci.InstancePool) (standing, error) {
	holder := c.claims.Holder(s.own, s.own.Status.Claim, pool.ID, s.now, s.Intervals.Poll)
	owner := s.owner.HeldBy(holder)
	judgement := owner.Judge(pool.ID, pool.Tags)
	if judgement.Outcome == ownership.Foreign {
		// A recorded pool needs no tags.
		return standing{ours: true, settled: true}, nil
	}
	next := c.claims.Next(holder, judgement, pool.ID, s.now)
	claims.Tell(c.recorder, s.own, judgement, pool.ID)
	switch judgement.Outcome {
	case ownership.Ours:
		s.own.Status.Claim = next
		return standing{ours: true, settled: !next.State.IsPending()}, nil
	case ownership.Elsewhere:
		s.own.Status.Claim = next
		return standing{elsewhere: true, claim: judgement.Found}, nil
	default:
		if judgement.Again {
			return standing{claim: judgement.Found}, c.lay(ctx, s, owner, judgement)
		}
		return standing{claim: judgement.Found}, c.decide(ctx, s, next)
	}
}

// decide records a decision. It must not be written over an unseen one: the write fails if the
// cache was stale.
func (c claimer) decide(ctx context.Context, s *scope, next infrav1.ClaimStatus) error {
	decided := s.own.DeepCopy()
	decided.Status.Claim = next
	err := c.client.Status().Patch(ctx, decided, client.MergeFromWithOptions(s.own, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) {
		// The write in between brings the next pass, and a new decision.
		return nil
	}
	if err == nil {
		s.own.Status.Claim = next
	}
	return err
}

// lay writes the recorded claim.
func (c claimer) lay(ctx context.Context, s *scope, owner ownership.Owner, judgement ownership.Judgement) error {
	_, err := s.client.UpdateInstancePoolTag(ctx, judgement.Laying, oci.TagChange{
		Key: infrav1.HeldByTag, From: judgement.Tag, To: owner.Laid(),
	})
	if cloud.IsKind(err, cloud.Conflict) {
		// It has changed since it was looked at, or is in the middle of another change.
		return nil
	}
	if err == nil {
		ctrl.LoggerFrom(ctx).Info("Claimed the instance pool", "instancePool", judgement.Laying.ID(), "before", judgement.Tag)
	}
	return err
}

// hold ends the pass over a pool that is not in the care of this management cluster.
func (r *Reconciler) hold(ctx context.Context, s *scope) error {
	const pool = expv1.PoolReadyCondition
	if s.found == nil {
		if r.Claims.Yields(s.own.Status.Claim) {
			s.WaitFor(s.Intervals.Poll, pool, infrav1.HeldElsewhereReason, "The instance pool, which another management cluster held, is gone; "+
				"none is made here, since these objects are a copy: delete them, or delete them and make them anew to go on here")
		}
		return nil
	}
	if r.Claims == nil {
		return nil
	}
	stands, err := r.claimer().stand(ctx, s, *s.found)
	switch {
	case err != nil:
		s.proof = ownership.Proof{}
		return err
	case stands.elsewhere:
		s.proof = ownership.Proof{}
		s.WaitFor(s.Intervals.Poll, pool, infrav1.HeldElsewhereReason, "Instance pool %s", stands.claim.Elsewhere(s.found.ID))
	case !stands.ours:
		s.proof = ownership.Proof{}
		s.WaitFor(time.Second, pool, infrav1.ClaimingReason, "Claiming the instance pool from management cluster %s", stands.claim.Holder)
	}
	s.unsettled = !stands.settled
	return nil
}

// holdToDelete lets a deletion go on once this management cluster may end the instance pools. Those
// of another one are left, with all that is theirs: this object then stands for nothing.
func (r *Reconciler) holdToDelete(ctx context.Context, s *scope) error {
	if r.Claims == nil {
		return nil
	}
	for _, pool := range s.pools {
		if pool.State == oci.StateTerminated {
			continue
		}
		stands, err := r.claimer().stand(ctx, s, pool.InstancePool)
		switch {
		case err != nil:
			return err
		case stands.elsewhere:
			return r.leave(ctx, s, pool.ID, stands.claim)
		case !stands.settled:
			s.Deletion = access.NewProblem(infrav1.ClaimingReason, "Instance pool %s was claimed from another management cluster, which has %s to "+
				"mind: its end waits for that", pool.ID, r.Claims.Window())
			s.Stop()
			s.Requeue(min(s.Intervals.Progress, r.Claims.Window()))
			return nil
		}
	}
	return nil
}

// leave lets the object and those of its instances go, and ends nothing. Keys have the same
// description in both management clusters, so that none is revoked.
func (r *Reconciler) leave(ctx context.Context, s *scope, id string, claim ownership.Claim) error {
	if err := r.deleteMachines(ctx, s); err != nil || s.Stopped() {
		return err
	}
	if err := r.keyring(s).forget(ctx); err != nil {
		return err
	}
	claims.Left(r.Recorder, s.own, claim, "Instance pool "+id)
	ctrl.LoggerFrom(ctx).Info("Left the instance pool to the management cluster that holds it", "instancePool", id, "holder", claim.Holder)
	r.Claims.Forget(id)
	r.memory.forget(s.own.UID)
	controllerutil.RemoveFinalizer(s.own, expv1.OCIMeshMachinePoolFinalizer)
	s.Stop()
	return nil
}
