// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"slices"

	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/nodesize"
)

// capacity fills in how large a node would be, once for each change of the spec. The cluster
// autoscaler reads it from the object that the MachinePool's infrastructureRef names, before there
// is any node (kubernetes/autoscaler, cloudprovider/clusterapi,
// unstructuredScalableResource.InstanceCapacity).
func (r *Reconciler) capacity(ctx context.Context, s *scope) error {
	ready := conditions.Get(s.own, infrav1.ReadyCondition)
	if len(s.own.Status.Capacity) > 0 && ready != nil && ready.ObservedGeneration == s.own.Generation {
		return nil
	}
	shapes, err := s.client.Shapes(ctx, "")
	if err != nil {
		return err
	}
	wanted := s.own.Spec.Shape
	at := slices.IndexFunc(shapes, func(shape oci.Shape) bool { return shape.Name == wanted.Name })
	if at < 0 {
		return access.NewProblem(infrav1.ShapeNotFoundReason, "Account %s does not know shape %s: use a shape of its region", s.account.Name, wanted.Name)
	}
	s.own.Status.Capacity = nodesize.Of(wanted, shapes[at])
	s.own.Status.NodeInfo = infrav1.NodeInfo{Architecture: infrav1.Architecture(shapes[at].Architecture), OperatingSystem: "linux"}
	return nil
}
