// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// prerequisites waits for what others make, and finds the tailnet. A machine that has its instance
// needs the tailnet only.
func (r *Reconciler) prerequisites(ctx context.Context, s *scope) error {
	if s.infraCluster == nil {
		// The watch on OCIMeshClusters does not wake machines at rest.
		s.WaitFor(s.Intervals.Poll, infrav1.PlacedCondition, infrav1.WaitingForClusterInfrastructureReason,
			"Waiting for the Cluster's OCIMeshCluster")
		return nil
	}
	if !s.launched() {
		if provisioned := s.cluster.Status.Initialization.InfrastructureProvisioned; provisioned == nil || !*provisioned {
			s.WaitFor(0, infrav1.PlacedCondition, infrav1.WaitingForClusterInfrastructureReason,
				"Waiting for OCIMeshCluster %s to be provisioned", s.infraCluster.Name)
			return nil
		}
		if s.machine.Spec.Bootstrap.DataSecretName == nil {
			s.WaitFor(0, infrav1.PlacedCondition, infrav1.WaitingForBootstrapDataReason,
				"Waiting for the bootstrap provider to make the bootstrap data")
			return nil
		}
	}
	tn, err := r.Access.Tailnet(ctx, s.infraCluster.Spec.TailnetRef.Name, s.own.Namespace)
	if err != nil {
		if s.launched() {
			// The instance is looked at all the same.
			s.Note(infrav1.TailnetReadyCondition, problemReason(err), "%s", problemMessage(err))
			return nil
		}
		return phases.In(infrav1.TailnetReadyCondition, err)
	}
	s.tailnet = tn
	if !s.launched() && conditions.IsFalse(tn, infrav1.ReadyCondition) {
		s.WaitFor(s.Intervals.Poll, infrav1.TailnetReadyCondition, infrav1.TailnetNotReadyReason,
			"Tailnet %s is not ready: %s", tn.Name, access.NotReady(tn))
	}
	return nil
}
