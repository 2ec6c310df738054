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
		return s.stopUnlessTold(err)
	}
	s.tailnet = tn
	ready := conditions.Get(tn, infrav1.ReadyCondition)
	switch {
	case ready == nil:
		return access.NewProblem(infrav1.TailnetNotReadyReason, "Waiting for Tailnet %s to be checked", name)
	case ready.Status != metav1.ConditionTrue:
		return access.NewProblem(infrav1.TailnetNotReadyReason, "Tailnet %s is not Ready: %s: %s", name, ready.Reason, access.NotReady(tn))
	}
	return nil
}
