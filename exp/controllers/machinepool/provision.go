// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
)

// provision hands the pool over to Cluster API, once it exists and its first instance has joined,
// or none is wanted. That is never taken back. Cluster API 1.14's contract names
// initialization.provisioned and its code reads ready (core/reconcilers/machinepool,
// external.IsReady; kubernetes-sigs/cluster-api#14030).
func (r *Reconciler) provision(_ context.Context, s *scope) error {
	joined := s.wanted() == 0
	for i := range s.machines {
		provisioned := s.machines[i].Status.Initialization.Provisioned
		joined = joined || provisioned != nil && *provisioned
	}
	if joined {
		yes := true
		s.own.Status.Ready, s.own.Status.Initialization.Provisioned = &yes, &yes
	}
	return nil
}
