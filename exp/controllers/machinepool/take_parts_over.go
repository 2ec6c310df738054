// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/nodesize"
)

// takePartsOver records what OCI makes instances of from now on. The capacity is that of a node to
// come, which the spec's is not while it is refused.
func (r *Reconciler) takePartsOver(_ context.Context, s *scope) error {
	if s.idle() || s.found == nil || !s.isUpToDate() {
		return nil
	}
	s.own.Status.Granted = expv1.GrantedStatus(s.parts)
	if shape := s.parts.Shape; placement.IsFlexible(shape.Name) {
		s.own.Status.Capacity = nodesize.Of(shape, oci.Shape{Name: shape.Name})
	}
	return nil
}
