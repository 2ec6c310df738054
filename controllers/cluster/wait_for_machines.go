// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// waitForMachines holds the deletion up while the cluster has machines: they need its networks
// until they are gone.
func (r *Reconciler) waitForMachines(_ context.Context, s *scope) error {
	if len(s.machines) > 0 {
		s.waitsFor = access.NewProblem(infrav1.InUseReason, "%d OCIMeshMachines of the cluster still exist", len(s.machines))
	}
	return nil
}
