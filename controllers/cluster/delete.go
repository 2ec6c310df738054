// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// waitForMachines holds the deletion up while the cluster has machines: they need its networks
// until they are gone.
func (r *Reconciler) waitForMachines(_ context.Context, s *scope) error {
	if len(s.machines) > 0 {
		s.waitsFor = access.NewProblem(infrav1.InUseReason, "%d OCIMeshMachines of the cluster still exist", len(s.machines))
	}
	return nil
}

// removeNetworks removes the networks in every account that may have one, also in those that left
// the spec.
func (r *Reconciler) removeNetworks(ctx context.Context, s *scope) error {
	for _, name := range recorded(s.infra) {
		s.left = append(s.left, &accountState{name: name, network: lastSeen(s.infra, name), claim: lastClaim(s.infra, name)})
	}
	if s.waitsFor != nil {
		return nil
	}
	if err := r.removeFrom(ctx, s, s.left); err != nil {
		return err
	}
	for _, account := range s.left {
		if s.waitsFor == nil || s.waitsFor.Reason == infrav1.DeletingReason {
			s.waitsFor = account.networkProblem
		}
	}
	return nil
}

// releaseEndpoint gives the address back.
func (r *Reconciler) releaseEndpoint(ctx context.Context, s *scope) error {
	if s.waitsFor != nil || s.infra.Spec.EndpointType != infrav1.EndpointTailnetVIP {
		return nil
	}
	return r.ledger().Release(ctx, s.infra.Spec.TailnetRef.Name, s.infra)
}

// removeFinalizer lets the object go once nothing of it is left.
func (r *Reconciler) removeFinalizer(_ context.Context, s *scope) error {
	if s.waitsFor != nil {
		return nil
	}
	controllerutil.RemoveFinalizer(s.infra, infrav1.OCIMeshClusterFinalizer)
	r.memory.forgetCluster(s.infra.UID)
	s.removed = true
	return nil
}
