// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"time"

	"k8s.io/utils/ptr"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// provision hands the pool over to Cluster API, once it exists and its first instance has joined,
// or none is wanted. That is never taken back. Cluster API 1.14's contract names
// initialization.provisioned and its code reads ready (core/reconcilers/machinepool,
// external.IsReady; kubernetes-sigs/cluster-api#14030).
func (r *Reconciler) provision(_ context.Context, s *scope) error {
	joined := s.wanted() == 0
	for i := range s.machines {
		joined = joined || s.machines[i].Status.Initialization.IsProvisioned()
	}
	if !joined || ptr.Deref(s.own.Status.Ready, false) {
		return nil
	}
	yes := true
	s.own.Status.Ready, s.own.Status.Initialization.Provisioned = &yes, &yes
	// Conditions are written before the rest of a status (Cluster API's util/patch, Helper.Patch):
	// the pool is Ready in the next pass, so that nobody sees one without the other.
	s.Note(expv1.InstancesReadyCondition, infrav1.WaitingReason, "The pool is being handed over to Cluster API")
	s.Requeue(min(time.Second, s.Intervals.Progress))
	return nil
}
