// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// removeNetworks removes the networks in every account that may have one, also in those that left
// the spec.
func (r *Reconciler) removeNetworks(ctx context.Context, s *scope) error {
	for _, name := range recorded(s.infra) {
		s.left = append(s.left, &accountState{name: name, network: lastSeen(s.infra, name), claim: lastClaim(s.infra, name)})
	}
	if s.waitsFor != nil {
		return nil
	}
	if err := r.removeFrom(ctx, s, s.left); err != nil {
		return err
	}
	for _, account := range s.left {
		if s.waitsFor == nil || s.waitsFor.Reason == infrav1.DeletingReason {
			s.waitsFor = account.networkProblem
		}
	}
	return nil
}
