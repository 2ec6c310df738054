// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"context"
	"fmt"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// release takes back that somebody repairs the Machine, and lets the request go. Nobody else does:
// Cluster API leaves ExternallyRemediated to whoever remediates (sigs.k8s.io/cluster-api/api v1.14,
// core/v1beta2/machine_types.go).
func (r *Reconciler) release(ctx context.Context, s *scope) error {
	if s.machine != nil && conditions.Has(s.machine, clusterv1.MachineExternallyRemediatedCondition) {
		err := r.patchMachine(ctx, s, func() { conditions.Delete(s.machine, clusterv1.MachineExternallyRemediatedCondition) })
		if client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	before := s.own.DeepCopy()
	if !controllerutil.RemoveFinalizer(s.own, infrav1.OCIMeshRemediationFinalizer) {
		return nil
	}
	if err := r.Client.Patch(ctx, s.own, client.MergeFrom(before)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing the finalizer: %w", err)
	}
	return nil
}
