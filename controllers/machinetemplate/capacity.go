// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinetemplate

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/nodesize"
)

// capacity fills in the size of a node.
func (r *Reconciler) capacity(_ context.Context, s *scope) error {
	s.template.Status.Capacity = nodesize.Of(s.wanted(), s.shape)
	s.template.Status.NodeInfo = infrav1.NodeInfo{
		Architecture: infrav1.Architecture(s.shape.Architecture), OperatingSystem: "linux",
	}
	return nil
}
