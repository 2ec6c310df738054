// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ensureEndpoint sees to the address of the API server, and writes it before anything is said about
// it.
func (r *Reconciler) ensureEndpoint(ctx context.Context, s *scope) error {
	before := s.infra.DeepCopy()
	problem := s.endpoint.Ensure(ctx, s)
	if before.Spec.ControlPlaneEndpoint != s.infra.Spec.ControlPlaneEndpoint {
		if err := r.Client.Patch(ctx, s.infra.DeepCopy(), client.MergeFrom(before)); err != nil {
			s.Stop()
			return fmt.Errorf("writing the control plane endpoint: %w", err)
		}
	}
	return s.stopUnlessTold(problem)
}
