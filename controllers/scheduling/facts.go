// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// facts gathers what the placement depends on.
func (s *Scheduler) facts(ctx context.Context, request Request, now time.Time) (placement.Facts, error) {
	_, controlPlane := request.Labels[clusterv1.MachineControlPlaneLabel]
	facts := placement.Facts{
		Now:           now,
		ControlPlane:  controlPlane,
		ControlPlanes: request.ControlPlanes,
		Group:         groupOf(request.Labels),
		FailureDomain: request.FailureDomain,
		Shortages:     slices.Clone(request.Refusals),
	}
	for _, shape := range request.Spec.Shapes {
		facts.Shapes = append(facts.Shapes, s.reservations.shapeOf(request.Spec, shape))
	}
	objects := make([]infrav1.OCIAccount, len(request.InfraCluster.Spec.Accounts))
	for i, listed := range request.InfraCluster.Spec.Accounts {
		account, shortages, err := s.accountFacts(ctx, request, listed, &objects[i], now)
		if err != nil {
			return placement.Facts{}, err
		}
		facts.Accounts = append(facts.Accounts, account)
		facts.Shortages = append(facts.Shortages, shortages...)
	}
	return facts, s.addMachines(ctx, request, objects, &facts)
}

// accountFacts reads an account, and are what is known of it, but for its machines, and its
// shortages.
func (s *Scheduler) accountFacts(
	ctx context.Context, request Request, listed infrav1.ClusterAccount, account *infrav1.OCIAccount, now time.Time,
) (placement.Account, []infrav1.Shortage, error) {
	out := placement.Account{
		Name: listed.Name, Selected: true, ControlPlane: listed.ControlPlane == nil || *listed.ControlPlane, Weight: listed.Weight,
	}
	if err := s.options.Client.Get(ctx, client.ObjectKey{Name: listed.Name}, account); client.IgnoreNotFound(err) != nil {
		return out, nil, fmt.Errorf("reading OCIAccount %s: %w", listed.Name, err)
	}
	selection := request.Spec.Accounts
	selected, err := Selects(selection, account)
	if err != nil {
		return out, nil, err
	}
	// An account that does not exist has no labels; by name it may still be selected.
	out.Selected = selected || (account.Name == "" && selectsName(selection, listed.Name))
	out.Domains = account.Status.AvailabilityDomains
	_, err = s.options.Access.Account(ctx, listed.Name, request.Key.Namespace)
	network := NetworkOf(request.InfraCluster, listed.Name)
	switch {
	case err != nil:
		out.Problem = access.AsProblem(err).Message
	case conditions.IsFalse(account, infrav1.ReadyCondition):
		out.Problem = access.NotReady(account)
	case !s.options.Pollers.Cache(account).Answering(now):
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
		if err := s.awaitFirstPoll(request.Key, account, now); err != nil {
			return out, nil, err
		}
	}
	if account.Name == "" {
		return out, nil, nil
	}
	out.Budget, out.Limits = placement.BudgetOf(account.Spec.Budget), limitsOf(account, request.Spec.Shapes)
	if out.Ready && len(out.Limits) > 0 {
		for _, other := range s.options.Pollers.Cache(account).Others() {
			out.Used = append(out.Used, useOf(other, true))
		}
	}
	return out, s.options.Pollers.Shortages(account).For(request.Key.String(), request.sizeIn, now), nil
}

// awaitFirstPoll keeps anything from being placed in an account before its first poll: what others
// use of it, pools and machines without status, is known from polls only. The poll wakes the
// machine; the wait is for an account that holds the poll up.
func (s *Scheduler) awaitFirstPoll(key client.ObjectKey, account *infrav1.OCIAccount, now time.Time) error {
	cache := s.options.Pollers.Cache(account)
	if _, polled := cache.Age(now); polled {
		return nil
	}
	cache.Await(key.String(), now)
	return waitFor(instancecache.Slow+time.Second, "Waiting for account %s to be polled", account.Name)
}

// Selects tells whether a machine's spec.accounts includes the account.
func Selects(selection infrav1.AccountSelection, account *infrav1.OCIAccount) (bool, error) {
	switch {
	case selection.Selector != nil:
		selector, err := metav1.LabelSelectorAsSelector(selection.Selector)
		if err != nil {
			return false, access.NewProblem(infrav1.NoAccountReason, "spec.accounts.selector is malformed: %s", err)
		}
		return selector.Matches(labels.Set(account.Labels)), nil
	case len(selection.Names) > 0:
		return slices.Contains(selection.Names, account.Name), nil
	}
	return true, nil
}

func selectsName(selection infrav1.AccountSelection, name string) bool {
	if selection.Selector != nil {
		return false
	}
	return len(selection.Names) == 0 || slices.Contains(selection.Names, name)
}

// NetworkOf is the account's network for the cluster; nil if there is none.
func NetworkOf(cluster *infrav1.OCIMeshCluster, account string) *infrav1.ClusterAccountStatus {
	for i := range cluster.Status.Accounts {
		if cluster.Status.Accounts[i].Name == account {
			return &cluster.Status.Accounts[i]
		}
	}
	return nil
}

// groupOf is what a machine is spread among, in words.
func groupOf(labels map[string]string) string {
	if _, ok := labels[clusterv1.MachineControlPlaneLabel]; ok {
		return "control plane machines"
	}
	for _, label := range []string{clusterv1.MachineDeploymentNameLabel, clusterv1.MachineSetNameLabel} {
		if name := labels[label]; name != "" {
			return "machines of " + name
		}
	}
	return "machines without an owner"
}
