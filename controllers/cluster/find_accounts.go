// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
		default:
			if state.problem, err = r.sharing(ctx, s, i, account); err != nil {
				return err
			}
		}
	}
	s.accounts = accounts
	return nil
}

// sharing is why the i-th account of the spec cannot have a network of its own; nil if it can. What
// is in OCI is told by the cluster's tags, so that the cluster has one network in a compartment:
// two accounts would build upon it, and the one that leaves would delete it under the other.
func (r *Reconciler) sharing(ctx context.Context, s *scope, i int, account *infrav1.OCIAccount) (*access.Problem, error) {
	if s.infra.Spec.Accounts[i].Network.Managed == nil {
		return nil, nil
	}
	// Those that leave have a network, too, until they are gone.
	others := slices.DeleteFunc(recorded(s.infra), func(name string) bool {
		return name == s.infra.LoadBalancerAccount() || slices.ContainsFunc(s.infra.Spec.Accounts, func(a infrav1.ClusterAccount) bool {
			return a.Name == name && a.Network.Managed != nil
		})
	})
	for _, before := range s.infra.Spec.Accounts[:i] {
		if before.Network.Managed != nil {
			others = append(others, before.Name)
		}
	}
	for _, name := range others {
		other := &infrav1.OCIAccount{}
		if err := r.Client.Get(ctx, client.ObjectKey{Name: name}, other); client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading OCIAccount %s: %w", name, err)
		}
		if other.Spec.CompartmentID == account.Spec.CompartmentID && other.Spec.Region == account.Spec.Region {
			return access.NewProblem(infrav1.AccountNotReadyReason,
				"OCIAccount %s is for the same compartment and region as OCIAccount %s, and a cluster has one network in a compartment: "+
					"give it a compartment of its own, or wait until %s and its network are gone", account.Name, name, name), nil
		}
	}
	return nil, nil
}
