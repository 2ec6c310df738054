// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// leaveAccounts removes the networks in accounts that are no longer in the spec, once no machine
// and no machine pool is there.
func (r *Reconciler) leaveAccounts(ctx context.Context, s *scope) error {
	var empty []*accountState
	for _, name := range recorded(s.infra) {
		if slices.ContainsFunc(s.accounts, func(a *accountState) bool { return a.name == name }) {
			continue
		}
		account := lastState(s.infra, name)
		s.former = append(s.former, account)
		if machines := s.machinesIn(name); machines > 0 {
			account.networkProblem = access.NewProblem(infrav1.NetworkInUseReason,
				"The account is no longer in spec.accounts, but %d of the cluster's machines are in it: delete them", machines)
			continue
		}
		pooled, err := r.poolsIn(ctx, s, name)
		if err != nil {
			return err
		}
		if len(pooled) > 0 {
			account.networkProblem = access.NewProblem(infrav1.NetworkInUseReason,
				"The account is no longer in spec.accounts, but the cluster has %s in it: delete them", pooled)
			continue
		}
		empty = append(empty, account)
	}
	return r.removeFrom(ctx, s, empty)
}
