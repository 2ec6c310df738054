// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"

	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// facts gathers what the placement depends on.
func (r *Reconciler) facts(ctx context.Context, s *scope) (placement.Facts, error) {
	facts := placement.Facts{
		Now:           s.now,
		ControlPlane:  s.isControlPlane(),
		Group:         groupOf(s.machine.Labels),
		FailureDomain: s.machine.Spec.FailureDomain,
	}
	for _, shape := range s.own.Spec.Shapes {
		facts.Shapes = append(facts.Shapes, placement.ShapeOf(s.own.Spec, shape))
	}
	for _, listed := range s.infraCluster.Spec.Accounts {
		account, shortages, err := r.accountFacts(ctx, s, listed)
		if err != nil {
			return placement.Facts{}, err
		}
		facts.Accounts = append(facts.Accounts, account)
		facts.Shortages = append(facts.Shortages, shortages...)
	}
	return facts, r.addMachines(ctx, s, &facts)
}

// accountFacts are what is known of an account, but for its machines, and its shortages.
func (r *Reconciler) accountFacts(
	ctx context.Context, s *scope, listed infrav1.ClusterAccount,
) (placement.Account, []infrav1.Shortage, error) {
	out := placement.Account{
		Name: listed.Name, Selected: true, ControlPlane: listed.ControlPlane == nil || *listed.ControlPlane, Weight: listed.Weight,
	}
	account := &infrav1.OCIAccount{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: listed.Name}, account); client.IgnoreNotFound(err) != nil {
		return out, nil, fmt.Errorf("reading OCIAccount %s: %w", listed.Name, err)
	}
	selected, err := selects(s.own.Spec.Accounts, account)
	if err != nil {
		return out, nil, failed(infrav1.PlacedCondition, err)
	}
	// An account that does not exist has no labels; by name it may still be selected.
	out.Selected = selected || (account.Name == "" && selectsName(s.own.Spec.Accounts, listed.Name))
	out.Domains = account.Status.AvailabilityDomains
	_, err = r.Access.Account(ctx, listed.Name, s.own.Namespace)
	network := networkOf(s.infraCluster, listed.Name)
	switch {
	case err != nil:
		out.Problem = problemMessage(err)
	case conditions.IsFalse(account, infrav1.ReadyCondition):
		out.Problem = conditions.GetMessage(account, infrav1.ReadyCondition)
	case !r.Pollers.Book(account).Answering(s.now):
		out.Problem = "it does not answer at present"
	case network == nil || network.Ready == nil || !*network.Ready || network.SubnetID == "":
		out.Problem = "its network for the cluster is not ready"
		if network != nil && network.Message != "" {
			out.Problem = network.Message
		}
	default:
		out.Ready = true
	}
	if out.Ready && out.Selected {
		if err := r.awaitFirstPoll(s, account); err != nil {
			return out, nil, err
		}
	}
	if account.Name == "" {
		return out, nil, nil
	}
	out.Budget, out.Limits = placement.BudgetOf(account.Spec.Budget), limitsOf(account, s.own.Spec.Shapes)
	if out.Ready && len(out.Limits) > 0 {
		for _, other := range r.Pollers.Book(account).Others() {
			out.Used = append(out.Used, useOf(other, true))
		}
	}
	return out, r.Pollers.Shortages(account).For(client.ObjectKeyFromObject(s.own).String(), sizeOf(s.own), s.now), nil
}

// awaitFirstPoll keeps anything from being placed in an account of which this process has seen
// nothing yet: what others use of it, pools and machines that lost their status, is known from
// polls only.
func (r *Reconciler) awaitFirstPoll(s *scope, account *infrav1.OCIAccount) error {
	book := r.Pollers.Book(account)
	if _, polled := book.Age(s.now); polled {
		return nil
	}
	book.Await(client.ObjectKeyFromObject(s.own).String(), s.now)
	return &notPolledError{account: account.Name}
}

func selectsName(selection infrav1.AccountSelection, name string) bool {
	for _, candidate := range selection.Names {
		if candidate == name {
			return true
		}
	}
	return selection.Selector == nil && len(selection.Names) == 0
}

// networkOf is the account's network for the cluster; nil if there is none.
func networkOf(cluster *infrav1.OCIMeshCluster, account string) *infrav1.ClusterAccountStatus {
	for i := range cluster.Status.Accounts {
		if cluster.Status.Accounts[i].Name == account {
			return &cluster.Status.Accounts[i]
		}
	}
	return nil
}

// groupOf is what a machine is spread among.
func groupOf(labels map[string]string) string {
	if _, ok := labels[clusterv1.MachineControlPlaneLabel]; ok {
		return "the control plane"
	}
	for _, label := range []string{clusterv1.MachineDeploymentNameLabel, clusterv1.MachineSetNameLabel} {
		if name := labels[label]; name != "" {
			return name
		}
	}
	return "the single machines"
}
