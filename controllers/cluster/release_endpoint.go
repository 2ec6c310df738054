// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// releaseEndpoint gives the address back.
func (r *Reconciler) releaseEndpoint(ctx context.Context, s *scope) error {
	if s.waitsFor != nil || s.infra.Spec.EndpointType != infrav1.EndpointTailnetVIP {
		return nil
	}
	return r.ledger().Release(ctx, s.infra.Spec.TailnetRef.Name, s.infra)
}
