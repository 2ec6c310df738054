// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// externalEndpoint is an address that the user provides. Nothing is made for it.
type externalEndpoint struct{}

// Ensure takes the address from this object or from the Cluster.
func (externalEndpoint) Ensure(_ context.Context, s *scope) error {
	endpoint := &s.infra.Spec.ControlPlaneEndpoint
	if endpoint.Host == "" {
		endpoint.Host, endpoint.Port = s.cluster.Spec.ControlPlaneEndpoint.Host, s.cluster.Spec.ControlPlaneEndpoint.Port
	}
	if endpoint.Host == "" {
		return access.NewProblem(infrav1.EndpointMissingReason,
			"No address is given for endpointType External: set spec.controlPlaneEndpoint.host")
	}
	endpoint.Port = endpointPort(s)
	return nil
}

// Remove does nothing.
func (externalEndpoint) Remove(context.Context, *scope) error { return nil }

// Release does nothing.
func (externalEndpoint) Release(context.Context, *scope) error { return nil }
