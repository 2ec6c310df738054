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

// findPool finds the instance pool: the recorded one, or one with the tags. None is made in place
// of one that an account does not show.
func (r *Reconciler) findPool(ctx context.Context, s *scope) error {
	status := &s.own.Status.Pool
	id := status.ID
	if id == "" {
		pools, err := s.client.ListInstancePools(ctx, s.owner.Tags())
		if err != nil {
			return err
		}
		if len(pools) == 0 && s.isMoved() {
			s.noteUnseen()
			return nil
		}
		status.Attempt = max(1, status.Attempt)
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

// isMoved tells whether the pool had instances and has lost its status since: by a move, or a
// restore.
func (s *scope) isMoved() bool {
	return s.own.Status.Pool.Attempt == 0 && len(s.own.Spec.ProviderIDList) > 0
}

// noteUnseen waits for an account that shows the pool. OCIAccounts stay behind in a move, and one
// made by hand may be for another compartment. The list of instances is all that tells of them
// then: it stays, and so do their Nodes.
func (s *scope) noteUnseen() {
	s.WaitFor(s.Intervals.Poll, expv1.PoolReadyCondition, expv1.PoolNotFoundReason,
		"Account %s has no instance pool with the tags of this one, %s=%s and %s=%s, and spec.providerIDList names %d instances: "+
			"recreate OCIAccount %s for the compartment that they are in, or give it credentials that may see them; "+
			"if the instance pool is gone for good, empty spec.providerIDList, and another one is made",
		s.account.Name, infrav1.MachinePoolUIDTag, s.identity, infrav1.MachinePoolNameTag, s.owner, len(s.own.Spec.ProviderIDList), s.account.Name)
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
