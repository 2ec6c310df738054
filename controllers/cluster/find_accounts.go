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
			if state.problem, err = r.sharing(ctx, s, state); err != nil {
				return err
			}
		}
	}
	s.accounts = accounts
	return nil
}

// sharing is why an account of the spec cannot have a network of its own; nil if it can.
func (r *Reconciler) sharing(ctx context.Context, s *scope, state *accountState) (*access.Problem, error) {
	if state.spec.Network.Managed == nil {
		return nil, nil
	}
	first, err := r.firstOf(ctx, s, state.account)
	if err != nil || first == "" {
		return nil, err
	}
	return access.NewProblem(infrav1.AccountNotReadyReason,
		"OCIAccount %s is for the same compartment and region as OCIAccount %s, and a cluster has one network in a compartment: "+
			"give it a compartment of its own, or wait until %s and its network are gone", state.name, first, first), nil
}

// firstOf is the account that the network in the account's compartment and region belongs to; empty
// if it is the account's own. What is in OCI is told by the cluster's tags, so that the cluster has
// one network there: two accounts would build upon it, and the one that leaves would delete it
// under the other.
func (r *Reconciler) firstOf(ctx context.Context, s *scope, account *infrav1.OCIAccount) (string, error) {
	names := claimants(s.infra)
	for _, name := range names[:max(0, slices.Index(names, account.Name))] {
		other := &infrav1.OCIAccount{}
		if err := r.Client.Get(ctx, client.ObjectKey{Name: name}, other); client.IgnoreNotFound(err) != nil {
			return "", fmt.Errorf("reading OCIAccount %s: %w", name, err)
		}
		if other.Spec.CompartmentID == account.Spec.CompartmentID && other.Spec.Region == account.Spec.Region {
			return name, nil
		}
	}
	return "", nil
}

// claimants are the accounts with a managed network, or with one to be made, in the order of their
// right to it. Those of the spec that may have one come before those that leave, which keep theirs
// from the others until it is gone.
func claimants(infra *infrav1.OCIMeshCluster) []string {
	leaving := recorded(infra)
	var have, lack []string
	for _, account := range infra.Spec.Accounts {
		switch {
		case account.Network.Managed == nil:
		case slices.Contains(leaving, account.Name):
			have = append(have, account.Name)
		default:
			lack = append(lack, account.Name)
		}
	}
	leaving = slices.DeleteFunc(leaving, func(name string) bool {
		return name == infra.LoadBalancerAccount() || slices.Contains(have, name)
	})
	return slices.Concat(have, leaving, lack)
}
