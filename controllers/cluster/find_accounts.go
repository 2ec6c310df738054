// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// findAccounts finds the accounts of the spec and says of each whether the cluster can use it.
func (r *Reconciler) findAccounts(ctx context.Context, s *scope) error {
	var accounts []*accountState
	for i := range s.infra.Spec.Accounts {
		state := &accountState{name: s.infra.Spec.Accounts[i].Name, spec: &s.infra.Spec.Accounts[i]}
		accounts = append(accounts, state)
		account, err := r.Clients.Account(ctx, state.name, s.infra.Namespace)
		if err != nil {
			if state.problem = access.AsProblem(err); state.problem.Reason == infrav1.InternalErrorReason {
				return err
			}
			continue
		}
		state.account = account
		ready := conditions.Get(account, infrav1.ReadyCondition)
		switch {
		case ready == nil:
			state.unchecked = true
			state.problem = access.NewProblem(infrav1.AccountNotReadyReason, "Waiting for OCIAccount %s to be checked", state.name)
		case ready.Status != metav1.ConditionTrue:
			state.problem = access.NewProblem(infrav1.AccountNotReadyReason,
				"OCIAccount %s is not Ready: %s: %s", state.name, ready.Reason, access.NotReady(account))
		}
	}
	s.accounts = accounts
	return nil
}
