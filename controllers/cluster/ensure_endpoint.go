// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// ensureEndpoint sees to the address of the API server, and writes it before anything is said about
// it.
func (r *Reconciler) ensureEndpoint(ctx context.Context, s *scope) error {
	before := s.infra.DeepCopy()
	var err error
	switch s.infra.Spec.EndpointType {
	case infrav1.EndpointExternal:
		err = external(s)
	case infrav1.EndpointNetworkLoadBalancer, infrav1.EndpointLoadBalancer:
		err = r.loadBalancer(ctx, s)
	default:
		err = r.tailnetVIP(ctx, s)
	}
	if before.Spec.ControlPlaneEndpoint != s.infra.Spec.ControlPlaneEndpoint {
		if err := r.Client.Patch(ctx, s.infra.DeepCopy(), client.MergeFrom(before)); err != nil {
			return fmt.Errorf("writing the control plane endpoint: %w", err)
		}
	}
	if err == nil {
		return nil
	}
	if s.endpointProblem = access.AsProblem(err); s.endpointProblem.Reason == infrav1.InternalErrorReason {
		return err
	}
	return nil
}
