// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"slices"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
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
		if account.gone, err = r.hasHeir(ctx, s, name); err != nil {
			return err
		}
		empty = append(empty, account)
	}
	if err := r.removeFrom(ctx, s, empty); err != nil {
		return err
	}
	for _, account := range s.accounts {
		if account.former && account.gone {
			account.lookAgain()
		}
	}
	return nil
}

// hasHeir tells whether the network of an account that leaves belongs to another one of the same
// compartment, from a version that let both have it: that one goes on with it.
func (r *Reconciler) hasHeir(ctx context.Context, s *scope, name string) (bool, error) {
	account := &infrav1.OCIAccount{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: name}, account); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	first, err := r.firstOf(ctx, s, account)
	if err != nil || first == "" {
		return false, err
	}
	r.cache.dropNetwork(accountKey{s.infra.UID, name})
	ctrl.LoggerFrom(ctx).Info("The network stays: another account of the compartment has it",
		"OCIAccount", klog.KRef("", name), "heir", first)
	return true, nil
}
