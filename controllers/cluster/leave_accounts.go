// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// leaveAccounts removes the networks in accounts that are no longer in the spec, or in it with a
// network of the user's, once no machine and no machine pool is there.
func (r *Reconciler) leaveAccounts(ctx context.Context, s *scope) error {
	var empty []*accountState
	for _, name := range recorded(s.infra) {
		account, why := lastState(s.infra, name), "The account is no longer in spec.accounts"
		if i := slices.IndexFunc(s.accounts, func(a *accountState) bool { return a.name == name }); i < 0 {
			s.former = append(s.former, account)
		} else if account = s.accounts[i]; account.former {
			why = "Another network is in spec.accounts, and the account still has the network of before"
		} else {
			continue
		}
		if machines := s.machinesIn(name); machines > 0 {
			account.networkProblem = access.NewProblem(infrav1.NetworkInUseReason,
				"%s, but %d of the cluster's machines are in it: delete them", why, machines)
			continue
		}
		pooled, err := r.poolsIn(ctx, s, name)
		if err != nil {
			return err
		}
		if len(pooled) > 0 {
			account.networkProblem = access.NewProblem(infrav1.NetworkInUseReason, "%s, but the cluster has %s in it: delete them", why, pooled)
			continue
		}
		empty = append(empty, account)
	}
	if err := r.removeFrom(ctx, s, empty); err != nil {
		return err
	}
	for _, account := range s.accounts {
		if account.former && account.gone {
			// The next pass looks at the user's network.
			account.network, account.claim = network.State{}, infrav1.ClaimStatus{}
			account.networkProblem = access.NewProblem(infrav1.NetworkProvisioningReason, "Looking at the network")
		}
	}
	return nil
}
