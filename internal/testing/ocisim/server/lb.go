// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import "github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"

// lbRoutes are those of oci-go-sdk's loadbalancer package. Its changes, creation
// included, answer with nothing but the header of a work request.
func lbRoutes() []route {
	const (
		root    = "/20170115/loadBalancers"
		sets    = root + "/{id}/backendSets"
		servers = sets + "/{set}/backends"
		fronts  = root + "/{id}/listeners"
	)
	return []route{
		{pattern: "GET " + root, operation: "ListLoadBalancers", handle: listLbs},
		{pattern: "POST " + root, operation: "CreateLoadBalancer", handle: createLb},
		{pattern: "GET " + root + "/{id}", operation: "GetLoadBalancer", handle: gets((*model.State).GetLb)},
		{pattern: "PUT " + root + "/{id}", operation: "UpdateLoadBalancer", handle: lbChange(updateLb)},
		{pattern: "DELETE " + root + "/{id}", operation: "DeleteLoadBalancer", handle: lbChange(func(c *call) (*model.LbWorkRequest, error) {
			return c.state.DeleteLb(c.user, c.path("id"), c.ifMatch())
		})},
		{pattern: "PUT " + root + "/{id}/updateShape", operation: "UpdateLoadBalancerShape", handle: lbPart("", noName((*model.State).UpdateLbShape))},
		{pattern: "PUT " + root + "/{id}/networkSecurityGroups", operation: "UpdateLoadBalancerNetworkSecurityGroups", handle: lbPart("", noName((*model.State).UpdateLbGroups))},
		{pattern: "POST " + sets, operation: "CreateLoadBalancerBackendSet", handle: lbPart("", noName((*model.State).CreateLbSet))},
		{pattern: "PUT " + sets + "/{set}", operation: "UpdateLoadBalancerBackendSet", handle: lbPart("set", (*model.State).UpdateLbSet)},
		{pattern: "DELETE " + sets + "/{set}", operation: "DeleteLoadBalancerBackendSet", handle: lbChange(func(c *call) (*model.LbWorkRequest, error) {
			return c.state.DeleteLbSet(c.user, c.path("id"), c.path("set"), c.ifMatch())
		})},
		{pattern: "POST " + fronts, operation: "CreateLoadBalancerListener", handle: lbPart("", noName((*model.State).CreateLbListener))},
		{pattern: "PUT " + fronts + "/{name}", operation: "UpdateLoadBalancerListener", handle: lbPart("name", (*model.State).UpdateLbListener)},
		{pattern: "DELETE " + fronts + "/{name}", operation: "DeleteLoadBalancerListener", handle: lbChange(func(c *call) (*model.LbWorkRequest, error) {
			return c.state.DeleteLbListener(c.user, c.path("id"), c.path("name"), c.ifMatch())
		})},
		{pattern: "POST " + servers, operation: "CreateLoadBalancerBackend", handle: lbChange(createLbBackend)},
		{pattern: "DELETE " + servers + "/{name}", operation: "DeleteLoadBalancerBackend", handle: lbChange(func(c *call) (*model.LbWorkRequest, error) {
			return c.state.DeleteLbBackend(c.user, c.path("id"), c.path("set"), c.path("name"), c.ifMatch())
		})},
		{pattern: "GET /20170115/loadBalancerWorkRequests/{id}", operation: "GetLoadBalancerWorkRequest", handle: gets((*model.State).GetLbWork)},
		{pattern: "GET " + root + "/{id}/workRequests", operation: "ListLoadBalancerWorkRequests", handle: listLbWork},
	}
}

func listLbs(c *call) (any, error) {
	query, err := c.listQuery()
	if err != nil {
		return nil, err
	}
	items, next, err := c.state.ListLbs(c.user, query)
	return page(c, items, next, err)
}

func listLbWork(c *call) (any, error) {
	query, err := c.listQuery()
	if err != nil {
		return nil, err
	}
	items, next, err := c.state.ListLbWork(c.user, c.path("id"), query)
	return page(c, items, next, err)
}

// lbChange is balancerChange for the classic service.
func lbChange(operation func(*call) (*model.LbWorkRequest, error)) handler {
	return func(c *call) (any, error) {
		work, err := operation(c)
		if err != nil {
			return nil, err
		}
		c.header.Set("opc-work-request-id", work.ID)
		c.accepted = work.ID
		return nil, nil
	}
}

func lbPart[D any](name string, operation partChange[D, *model.LbWorkRequest]) handler {
	return lbChange(func(c *call) (*model.LbWorkRequest, error) { return operation.change(c, name) })
}

// createLb ties the retry token to the load balancer rather than to the work request, so the token
// ends with the load balancer.
func createLb(c *call) (any, error) {
	var details model.CreateLbDetails
	if err := decode(c.body, &details); err != nil {
		return nil, err
	}
	work, err := c.state.CreateLb(c.user, details)
	if err != nil {
		return nil, err
	}
	c.header.Set("opc-work-request-id", work.ID)
	c.accepted = work.LoadBalancerID
	return nil, nil
}

func updateLb(c *call) (*model.LbWorkRequest, error) {
	var details model.UpdateLbDetails
	if err := decode(c.body, &details); err != nil {
		return nil, err
	}
	return c.state.UpdateLb(c.user, c.path("id"), c.ifMatch(), details)
}

func createLbBackend(c *call) (*model.LbWorkRequest, error) {
	var details model.LbBackend
	if err := decode(c.body, &details); err != nil {
		return nil, err
	}
	return c.state.CreateLbBackend(c.user, c.path("id"), c.path("set"), c.ifMatch(), details)
}
