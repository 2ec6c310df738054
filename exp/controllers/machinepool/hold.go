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
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
)

// claimant claims instance pools for this management cluster.
type claimant struct {
	client   client.Client
	claims   *claims.Claims
	recorder events.EventRecorder
}

func (r *Reconciler) claimant() claimant {
	return claimant{client: r.Client, claims: r.Claims, recorder: r.Recorder}
}

// standTo decides about an instance pool seen in this pass. The claim to a pool counts for all that
// belongs to it, as that to a VCN does for its contents: OCI launches the instances by itself, so
// no claim of theirs could be kept right, and a configuration has no life without its pool.
func (c claimant) standTo(ctx context.Context, s *scope, pool oci.InstancePool) (claims.Standing, error) {
	standing := c.claims.Stand(claims.Thing{
		Object: s.own, Owner: s.owner, Status: s.own.Status.Claim, ID: pool.ID, Tags: pool.Tags, At: s.now, Now: s.now, Rest: s.Intervals.Poll,
	}, c.recorder)
	switch {
	case standing.Undecided:
		return standing, c.decide(ctx, s, standing.Status)
	case standing.Unwritten:
		_, laid, err := claims.Lay(ctx, standing, func(ctx context.Context, own ownership.Proof, change oci.TagChange) (oci.InstancePool, error) {
			updated, err := s.client.UpdateInstancePoolTag(ctx, own, change)
			s.isRefused(pool, err)
			return updated, err
		})
		if laid {
			ctrl.LoggerFrom(ctx).Info("Claimed the instance pool", "instancePool", pool.ID, "before", standing.Tag())
		}
		return standing, err
	}
	s.own.Status.Claim = standing.Status
	return standing, nil
}

// decide records a decision. It must not be written over an unseen one: the write fails if the
// cache was stale.
func (c claimant) decide(ctx context.Context, s *scope, next infrav1.ClaimStatus) error {
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

// hold ends the pass over a pool that is not in the care of this management cluster.
func (r *Reconciler) hold(ctx context.Context, s *scope) error {
	const pool = expv1.PoolReadyCondition
	if s.found == nil {
		if r.Claims.Yields(s.own.Status.Claim) {
			s.WaitFor(s.Intervals.Poll, pool, infrav1.HeldElsewhereReason, "The instance pool, which another management cluster held, is gone; "+
				"none is made here, since these objects are a copy: delete them, or delete and recreate them to go on here")
		}
		return nil
	}
	if r.Claims == nil {
		return nil
	}
	standing, err := r.claimant().standTo(ctx, s, *s.found)
	switch {
	case err != nil:
		s.proof = ownership.Proof{}
		return err
	case standing.Elsewhere:
		s.proof = ownership.Proof{}
		s.WaitFor(s.Intervals.Poll, pool, infrav1.HeldElsewhereReason, "Instance pool %s", standing.Claim.Elsewhere(s.found.ID))
	case s.refused != "":
		s.proof = ownership.Proof{}
		s.WaitFor(s.Intervals.Progress, pool, infrav1.ClaimingReason, "Claiming the instance pool from management cluster %s%s", standing.Claim.Holder, s.refusedChange())
	case !standing.Ours:
		s.proof = ownership.Proof{}
		s.WaitFor(time.Second, pool, infrav1.ClaimingReason, "Claiming the instance pool from management cluster %s", standing.Claim.Holder)
	}
	s.unsettled = !standing.Settled
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
		standing, err := r.claimant().standTo(ctx, s, pool.InstancePool)
		switch {
		case err != nil:
			return err
		case standing.Elsewhere:
			return r.leave(ctx, s, pool.ID, standing.Claim)
		case s.refused != "":
			s.Deletion = access.NewProblem(infrav1.ClaimingReason, "The deletion waits until instance pool %s is claimed from management cluster %s%s",
				pool.ID, standing.Claim.Holder, s.refusedChange())
			s.Stop()
			return nil
		case !standing.Settled:
			s.Deletion = access.NewProblem(infrav1.ClaimingReason, "Instance pool %s was claimed from another management cluster, which may "+
				"contest that for %s: the deletion waits until then", pool.ID, r.Claims.Window())
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
	if err := r.keyring(s).DeleteSecret(ctx); err != nil {
		return err
	}
	claims.Left(r.Recorder, s.own, claim, "Instance pool "+id)
	ctrl.LoggerFrom(ctx).Info("Left the instance pool to the management cluster that holds it", "instancePool", id, "holder", claim.Holder)
	r.Claims.Forget(id)
	r.searched.Forget(s.own.UID)
	controllerutil.RemoveFinalizer(s.own, expv1.OCIMeshMachinePoolFinalizer)
	s.Stop()
	return nil
}
