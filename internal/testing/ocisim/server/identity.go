// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import "github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"

// identityRoutes are those of oci-go-sdk's identity package.
func identityRoutes() []route {
	return []route{
		{pattern: "GET /20160918/regions", operation: "ListRegions", handle: func(*call) (any, error) { return model.Regions(), nil }},
		{pattern: "GET /20160918/tenancies/{id}/regionSubscriptions", operation: "ListRegionSubscriptions",
			handle: func(c *call) (any, error) { return result(c.state.Subscriptions(c.path("id"))) }},
		{pattern: "GET /20160918/tenancies/{id}", operation: "GetTenancy",
			handle: func(c *call) (any, error) { return result(c.state.GetTenancy(c.path("id"))) }},
		{pattern: "GET /20160918/compartments/{id}", operation: "GetCompartment", handle: gets((*model.State).GetCompartment)},
		{pattern: "GET /20160918/compartments", operation: "ListCompartments", handle: lists("name", (*model.State).ListCompartments)},
		{pattern: "GET /20160918/availabilityDomains", operation: "ListAvailabilityDomains",
			handle: func(c *call) (any, error) {
				return result(c.state.ListAvailabilityDomains(c.user, c.query("compartmentId")))
			}},
		{pattern: "GET /20160918/faultDomains", operation: "ListFaultDomains",
			handle: func(c *call) (any, error) {
				return result(c.state.ListFaultDomains(c.user, c.query("compartmentId"), c.query("availabilityDomain")))
			}},
	}
}
