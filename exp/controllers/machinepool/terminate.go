// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// terminate ends the instance pool, and with it all that it has launched, and waits until it is
// TERMINATED.
func (r *Reconciler) terminate(ctx context.Context, s *scope) error {
	live := 0
	for _, pool := range s.pools {
		if pool.State == oci.StateTerminated {
			continue
		}
		live++
		if pool.State == oci.StateTerminating {
			continue
		}
		if err := s.client.TerminateInstancePool(ctx, pool.proof); err != nil && !cloud.IsKind(err, cloud.Conflict, cloud.NotFoundOrUnauthorized) {
			return err
		}
	}
	s.cache.Hurry()
	if live == 0 {
		// Nothing is launched any more: what is left counts as polls show it.
		s.own.Status.Pool.Size = new(int32)
	}
	switch {
	case live > 0:
		// The machines' objects are deleted meanwhile.
		s.Deletion = access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for the instance pool to be TERMINATED")
		s.Requeue(s.Intervals.Progress)
	case len(s.pools) == 0 && s.own.Status.Configuration.ID != "" && s.now.Sub(r.searched.Since(s.own.UID, s.now)) < settlingPasses*s.Intervals.Progress:
		return access.NewProblem(infrav1.WaitingForTerminationReason, "The instance pool may still be being created: looking for it again")
	}
	return nil
}
