// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import "github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"

// limitsRoutes are those of oci-go-sdk's limits package.
func limitsRoutes() []route {
	return []route{
		{pattern: "GET /20190729/services", operation: "ListLimitServices", handle: func(c *call) (any, error) {
			query, err := c.listQuery()
			if err != nil {
				return nil, err
			}
			items, next, err := c.state.ListLimitServices(query)
			return page(c, items, next, err)
		}},
		{pattern: "GET /20190729/limitValues", operation: "ListLimitValues", handle: func(c *call) (any, error) {
			query, err := c.listQuery()
			if err != nil {
				return nil, err
			}
			items, next, err := c.state.ListLimitValues(model.LimitQuery{ListQuery: query, Service: c.query("serviceName"),
				Name: c.query("name"), ScopeType: c.query("scopeType"), AvailabilityDomain: c.query("availabilityDomain")})
			return page(c, items, next, err)
		}},
		{pattern: "GET /20190729/services/{service}/limits/{limit}/resourceAvailability", operation: "GetResourceAvailability",
			handle: func(c *call) (any, error) {
				return result(c.state.GetAvailability(c.user, c.path("service"), c.path("limit"), c.query("compartmentId"), c.query("availabilityDomain")))
			}},
	}
}
