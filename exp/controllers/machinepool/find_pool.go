// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"slices"
	"strings"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
)

// findPool finds the instance pool: the one that is recorded, or one that has the tags.
func (r *Reconciler) findPool(ctx context.Context, s *scope) error {
	status := &s.own.Status.Pool
	if status.Attempt == 0 {
		status.Attempt = 1
	}
	id := status.ID
	if id == "" {
		pools, err := s.client.ListInstancePools(ctx, s.owner.Tags())
		if err != nil {
			return err
		}
		live := slices.DeleteFunc(pools, func(p oci.InstancePool) bool { return p.State.IsEnding() })
		switch len(live) {
		case 0:
			return nil
		case 1:
			id = live[0].ID
		default:
			return access.NewProblem(expv1.PoolDuplicatedReason, "%d instance pools carry the tags of this pool, such as %s: terminate those that are not its own of %s",
				len(live), infrav1.MachinePoolUIDTag, strings.Join(idsOf(live), ", "))
		}
	}
	pool, exists, err := poolid.Observe(ctx, s.client, id)
	if err != nil {
		return err
	}
	switch {
	case !exists, pool.State == oci.StateTerminated:
		s.lost()
	case pool.State == oci.StateTerminating:
		s.WaitFor(s.Intervals.Progress, expv1.PoolReadyCondition, expv1.PoolLostReason,
			"The instance pool is TERMINATING and this provider did not ask for it: another one is made when it is gone")
		status.State = string(pool.State)
	default:
		return s.take(pool)
	}
	return nil
}

// take records the pool. One that is another's is not recorded any more: the next pass looks for
// the own one.
func (s *scope) take(pool oci.InstancePool) error {
	proof, proven := poolid.Prove(s.owner, ownership.Recorded(s.own.Status.Pool.ID), pool.ID, pool.Tags)
	if !proven {
		s.own.Status.Pool = expv1.InstancePoolStatus{Attempt: s.own.Status.Pool.Attempt}
		s.Requeue(s.Intervals.Progress)
		return access.NewProblem(expv1.PoolNotOwnedReason, "Instance pool %s carries the tags of another machine pool and is left alone", pool.ID)
	}
	s.found, s.proof = &pool, proof
	size := int32(pool.Size) //nolint:gosec // OCI's pools hold far fewer.
	s.own.Status.Pool.ID, s.own.Status.Pool.State, s.own.Status.Pool.Size = pool.ID, string(pool.State), &size
	return nil
}

// lost gives up a pool that is gone, so that another one is made.
func (s *scope) lost() {
	attempt := s.own.Status.Pool.Attempt
	s.own.Status.Pool = expv1.InstancePoolStatus{Attempt: attempt + 1}
}

func idsOf(pools []oci.InstancePool) []string {
	var ids []string
	for _, pool := range pools {
		ids = append(ids, pool.ID)
	}
	return ids
}
