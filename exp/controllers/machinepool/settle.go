// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// settle ends the pass over a pool that was claimed from another management cluster, for as long as
// that one may mind: until then nothing is changed in OCI or in the tailnet. A smaller size,
// another configuration or a revoked key could not be undone. Cluster API is told of what there is.
func (r *Reconciler) settle(ctx context.Context, s *scope) error {
	if !s.unsettled {
		return nil
	}
	if wanted := s.wanted(); s.found.Size != wanted || len(s.live) != wanted {
		s.Note(expv1.PoolReadyCondition, infrav1.ClaimingReason, "The instance pool was claimed from another management cluster, which may contest that for %s: "+
			"changes wait until then; there are %d of %d instances", r.Claims.Window(), len(s.live), wanted)
	}
	s.Stop()
	s.Requeue(min(s.Intervals.Progress, r.Claims.Window()))
	return r.provision(ctx, s)
}
