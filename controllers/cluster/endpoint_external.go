// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// external takes the address that the user gives, in this object or in the Cluster.
func external(s *scope) error {
	endpoint := &s.infra.Spec.ControlPlaneEndpoint
	if endpoint.Host == "" {
		endpoint.Host, endpoint.Port = s.cluster.Spec.ControlPlaneEndpoint.Host, s.cluster.Spec.ControlPlaneEndpoint.Port
	}
	if endpoint.Host == "" {
		return access.NewProblem(infrav1.EndpointMissingReason,
			"endpointType is External and no address is given: set spec.controlPlaneEndpoint.host")
	}
	endpoint.Port = endpointPort(s)
	return nil
}
