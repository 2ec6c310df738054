// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// prerequisites waits for what others make, and finds network and tailnet.
func (r *Reconciler) prerequisites(ctx context.Context, s *scope) error {
	if s.infraCluster == nil {
		s.WaitFor(s.Intervals.Poll, expv1.ConfigurationReadyCondition, infrav1.WaitingForClusterInfrastructureReason, "Waiting for the Cluster's OCIMeshCluster")
		return nil
	}
	if provisioned := s.cluster.Status.Initialization.InfrastructureProvisioned; provisioned == nil || !*provisioned {
		s.WaitFor(s.Intervals.Poll, expv1.ConfigurationReadyCondition, infrav1.WaitingForClusterInfrastructureReason,
			"Waiting for OCIMeshCluster %s to be provisioned", s.infraCluster.Name)
		return nil
	}
	if s.machinePool.Spec.Template.Spec.Bootstrap.DataSecretName == nil {
		s.WaitFor(s.Intervals.Poll, expv1.ConfigurationReadyCondition, infrav1.WaitingForBootstrapDataReason,
			"Waiting for the bootstrap provider to make the bootstrap data")
		return nil
	}
	for i := range s.infraCluster.Status.Accounts {
		if candidate := &s.infraCluster.Status.Accounts[i]; candidate.Name == s.account.Name {
			s.network = candidate
		}
	}
	if s.network == nil || s.network.Ready == nil || !*s.network.Ready || s.network.SubnetID == "" {
		return access.NewProblem(expv1.WaitingForNetworkReason,
			"OCIMeshCluster %s has no ready network in account %s: add the account to its spec.accounts, or see its status", s.infraCluster.Name, s.account.Name)
	}
	var err error
	if s.tailnet, err = r.Access.Tailnet(ctx, s.infraCluster.Spec.TailnetRef.Name, s.own.Namespace); err != nil {
		return phases.In(infrav1.TailnetReadyCondition, err)
	}
	s.joins, err = r.Access.TailnetClient(ctx, s.tailnet)
	return phases.In(infrav1.TailnetReadyCondition, err)
}
