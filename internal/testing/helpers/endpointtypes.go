// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"encoding/json"
	"slices"
	"testing"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// EndpointTypes are what the CRD of OCIMeshCluster allows for endpointType: a new type is in the
// tables of all tests that ask here.
func EndpointTypes(t *testing.T) []infrav1.EndpointType {
	t.Helper()
	crds, err := CRDs()
	if err != nil {
		t.Fatal(err)
	}
	var types []infrav1.EndpointType
	for _, crd := range crds {
		if crd.Spec.Names.Kind != "OCIMeshCluster" {
			continue
		}
		schema := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties["endpointType"]
		for _, value := range schema.Enum {
			var endpointType infrav1.EndpointType
			if err := json.Unmarshal(value.Raw, &endpointType); err != nil {
				t.Fatal(err)
			}
			types = append(types, endpointType)
		}
	}
	if len(types) == 0 {
		t.Fatal("the CRD of OCIMeshCluster has no endpoint types")
	}
	return types
}

// BalancerTypes are those of EndpointTypes with a load balancer.
func BalancerTypes(t *testing.T) []infrav1.EndpointType {
	t.Helper()
	return slices.DeleteFunc(EndpointTypes(t), func(endpointType infrav1.EndpointType) bool {
		return !endpointType.HasLoadBalancer()
	})
}
