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
		facts.Shapes = append(facts.Shapes, shape.Name)
	}
	for _, listed := range s.infraCluster.Spec.Accounts {
		account, err := r.accountFacts(ctx, s, listed)
		if err != nil {
			return placement.Facts{}, err
		}
		facts.Accounts = append(facts.Accounts, account)
	}
	if err := r.addPeers(ctx, s, &facts); err != nil {
		return placement.Facts{}, err
	}
	facts.Shortages = append(facts.Shortages, s.own.Status.Shortages...)
	return facts, nil
}

func (r *Reconciler) accountFacts(ctx context.Context, s *scope, listed infrav1.ClusterAccount) (placement.Account, error) {
	out := placement.Account{Name: listed.Name, Selected: true, ControlPlane: listed.ControlPlane == nil || *listed.ControlPlane}
	account := &infrav1.OCIAccount{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: listed.Name}, account); client.IgnoreNotFound(err) != nil {
		return out, fmt.Errorf("reading OCIAccount %s: %w", listed.Name, err)
	}
	selected, err := selects(s.own.Spec.Accounts, account)
	if err != nil {
		return out, failed(infrav1.PlacedCondition, err)
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
	return out, nil
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

// addPeers adds the cluster's other machines, and where they found no room.
func (r *Reconciler) addPeers(ctx context.Context, s *scope, facts *placement.Facts) error {
	peers := &infrav1.OCIMeshMachineList{}
	err := r.Client.List(ctx, peers, client.InNamespace(s.own.Namespace),
		client.MatchingLabels{clusterv1.ClusterNameLabel: s.cluster.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return fmt.Errorf("listing the cluster's machines: %w", err)
	}
	for i := range peers.Items {
		peer := &peers.Items[i]
		if peer.Name == s.own.Name {
			continue
		}
		facts.Shortages = append(facts.Shortages, peer.Status.Shortages...)
		where := peer.Status.Placement
		if where.Account == "" {
			where = r.ledger.get(client.ObjectKeyFromObject(peer))
		}
		// A machine that is on its way out leaves its place.
		if where.Account == "" || !peer.DeletionTimestamp.IsZero() {
			continue
		}
		facts.Placed = append(facts.Placed, placement.Placed{
			Group: groupOf(peer.Labels), Account: where.Account,
			AvailabilityDomain: where.AvailabilityDomain, FaultDomain: where.FaultDomain,
		})
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
