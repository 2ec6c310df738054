// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"cmp"
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
)

// detach takes the instance out of its pool. This ends it and makes the pool smaller by one: OCI
// puts no other in its place.
func (r *Reconciler) detach(ctx context.Context, s *scope) error {
	if s.proof.IsZero() || s.ended() {
		return nil
	}
	if s.instance.State != oci.StateTerminating {
		refusal, err := r.end(ctx, s)
		if err != nil {
			return access.NotProvenGone(err)
		}
		if refusal != nil {
			s.cache.Hurry()
			return access.NewProblem(infrav1.WaitingForTerminationReason, "OCI does not let instance %s, which is %s, leave its pool, which is %s, and is asked again: %s",
				s.proof.ID(), s.instance.State, cmp.Or(s.pool.Status.Pool.State, "of unknown state"), cloud.UserMessage(refusal))
		}
	}
	s.cache.Hurry()
	return access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for instance %s, which is %s, to be TERMINATED",
		s.proof.ID(), s.instance.State)
}

// end asks for the end of the instance. OCI refuses that of one that is on its way out already, and
// of any while it launches others into the pool, for 24 hours if there is no room for them: the
// next pass looks again.
func (r *Reconciler) end(ctx context.Context, s *scope) (refusal, err error) {
	pool, err := s.instancePool(ctx)
	if err != nil {
		return nil, err
	}
	err = error(&cloud.Error{Kind: cloud.NotFoundOrUnauthorized})
	if !pool.IsZero() {
		err = s.client.DetachInstance(ctx, pool, s.proof)
	}
	switch {
	case cloud.IsKind(err, cloud.Conflict):
		return err, nil
	case cloud.IsKind(err, cloud.NotFoundOrUnauthorized):
		// It is no member of the pool, or not any more.
		_, err = instance.End(ctx, s.client, s.proof, s.instance.State)
	}
	return nil, err
}

// instancePool is the pool in OCI: the recorded one, or one with the pool's tags. Without status of
// the pool the instance would otherwise be ended as if it were in none, and OCI would put another
// one in its place.
func (s *scope) instancePool(ctx context.Context) (ownership.Proof, error) {
	switch {
	case s.pool == nil || s.pool.Spec.Account != s.account.Name:
		return ownership.Proof{}, nil
	case s.pool.Status.Pool.ID != "":
		return ownership.Recorded(s.pool.Status.Pool.ID), nil
	}
	owner := poolid.Owner(s.pool)
	pools, err := s.client.ListInstancePools(ctx, owner.Tags())
	if err != nil {
		return ownership.Proof{}, err
	}
	for _, pool := range pools {
		if proof, proven := owner.Tagged(pool.ID, pool.Tags); proven && !pool.State.IsEnding() {
			return proof, nil
		}
	}
	return ownership.Proof{}, nil
}
