// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// waitForMachines holds the deletion up while the cluster has machines or machine pools: they need
// its networks until they are gone.
func (r *Reconciler) waitForMachines(ctx context.Context, s *scope) error {
	if len(s.machines) > 0 {
		return access.NewProblem(infrav1.InUseReason, "Waiting for %d OCIMeshMachines of the cluster to be deleted", len(s.machines))
	}
	pooled, err := r.poolsIn(ctx, s, "")
	if err != nil {
		return err
	}
	if len(pooled) > 0 {
		// Nothing watches pools: they are behind a feature gate.
		s.Requeue(s.Intervals.Retry)
		return access.NewProblem(infrav1.InUseReason, "Waiting for the cluster's %s to be deleted", pooled)
	}
	return nil
}
