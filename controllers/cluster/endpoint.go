// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// endpoint is how the API server gets its address: one implementation for each kind of endpoint
// type.
type endpoint interface {
	// Ensure sees to the address and sets spec.controlPlaneEndpoint, which the caller writes.
	Ensure(ctx context.Context, s *scope) error
	// Remove removes what the endpoint has in the cluster's networks. It is called before these go,
	// until it returns no error.
	Remove(ctx context.Context, s *scope) error
	// Release gives the address back. It is called once the networks are gone.
	Release(ctx context.Context, s *scope) error
}

// endpointOf is the strategy for an endpoint type, or a problem if this version knows none.
func (r *Reconciler) endpointOf(endpointType infrav1.EndpointType) (endpoint, error) {
	switch endpointType {
	case infrav1.EndpointTailnetVIP:
		return vipEndpoint{r}, nil
	case infrav1.EndpointExternal:
		return externalEndpoint{}, nil
	case infrav1.EndpointNetworkLoadBalancer, infrav1.EndpointLoadBalancer:
		return loadBalancerEndpoint{r}, nil
	}
	return nil, access.NewProblem(infrav1.EndpointTypeUnknownReason,
		"This version of the provider does not know endpointType %q: upgrade the provider", endpointType)
}

const defaultPort = 6443

// endpointPort is the endpoint's port, also before it is written down.
func endpointPort(s *scope) int32 {
	if port := s.infra.Spec.ControlPlaneEndpoint.Port; port != 0 {
		return port
	}
	if port := s.cluster.Spec.ClusterNetwork.APIServerPort; port != 0 {
		return port
	}
	return defaultPort
}

// waiting is a problem that ends with the change of an object which the cluster watches: there is
// nothing to look for sooner than at rest.
func waiting(s *scope, format string, args ...any) error {
	problem := access.NewProblem(infrav1.WaitingReason, format, args...)
	problem.RetryAfter = s.Intervals.Poll
	return problem
}
