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

// findTailnet finds the tailnet and says whether the cluster can use it.
func (r *Reconciler) findTailnet(ctx context.Context, s *scope) error {
	name := s.infra.Spec.TailnetRef.Name
	tn, err := r.Clients.Tailnet(ctx, name, s.infra.Namespace)
	if err != nil {
		if s.tailnetProblem = access.AsProblem(err); s.tailnetProblem.Reason == infrav1.InternalErrorReason {
			return err
		}
		return nil
	}
	s.tailnet = tn
	ready := conditions.Get(tn, infrav1.ReadyCondition)
	switch {
	case ready == nil:
		s.tailnetProblem = access.NewProblem(infrav1.TailnetNotReadyReason, "Tailnet %s has not been looked at yet", name)
	case ready.Status != metav1.ConditionTrue:
		s.tailnetProblem = access.NewProblem(infrav1.TailnetNotReadyReason,
			"Tailnet %s is not Ready: %s: %s", name, ready.Reason, ready.Message)
	}
	return nil
}
