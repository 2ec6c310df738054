// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

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
