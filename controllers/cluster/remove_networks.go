// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// removeNetworks removes the networks in every account that may have one, also in those that left
// the spec.
func (r *Reconciler) removeNetworks(ctx context.Context, s *scope) error {
	if err := r.removeFrom(ctx, s, s.former); err != nil {
		return err
	}
	var problem *access.Problem
	for _, account := range s.former {
		if problem == nil || problem.Reason == infrav1.DeletingReason {
			problem = account.networkProblem
		}
	}
	if problem == nil {
		return nil
	}
	return problem
}
