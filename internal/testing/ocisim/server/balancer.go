// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
)

// collection is how the load balancer service wraps its lists.
type collection struct {
	Items any `json:"items"`
}

// balancerRoutes are those of oci-go-sdk's networkloadbalancer package. Its
// changes answer 202 and a work request.
func balancerRoutes() []route {
	const (
		root    = "/20200501/networkLoadBalancers"
		sets    = root + "/{id}/backendSets/{set}"
		servers = sets + "/backends"
		fronts  = root + "/{id}/listeners"
	)
	return []route{
		{pattern: "GET " + root, operation: "ListNetworkLoadBalancers", handle: listBalancers},
		{pattern: "POST " + root, operation: "CreateNetworkLoadBalancer", handle: createBalancer},
		{pattern: "GET " + root + "/{id}", operation: "GetNetworkLoadBalancer", handle: gets((*model.State).GetNlb)},
		{pattern: "PUT " + root + "/{id}", operation: "UpdateNetworkLoadBalancer", handle: balancerChange(updateBalancer), empty: http.StatusAccepted},
		{pattern: "DELETE " + root + "/{id}", operation: "DeleteNetworkLoadBalancer", handle: balancerChange(deleteBalancer), empty: http.StatusAccepted},
		{pattern: "GET " + sets, operation: "GetBackendSet", handle: func(c *call) (any, error) {
			return result(c.state.BackendSet(c.user, c.path("id"), c.path("set")))
		}},
		{pattern: "POST " + root + "/{id}/backendSets", operation: "CreateBackendSet", handle: balancerPart("", noName((*model.State).CreateBackendSet)), empty: http.StatusAccepted},
		{pattern: "PUT " + sets, operation: "UpdateBackendSet", handle: balancerPart("set", (*model.State).UpdateBackendSet), empty: http.StatusAccepted},
		{pattern: "DELETE " + sets, operation: "DeleteBackendSet", handle: balancerChange(func(c *call) (*model.WorkRequest, error) {
			return c.state.DeleteBackendSet(c.user, c.path("id"), c.path("set"), c.ifMatch())
		}), empty: http.StatusAccepted},
		{pattern: "POST " + fronts, operation: "CreateListener", handle: balancerPart("", noName((*model.State).CreateListener)), empty: http.StatusAccepted},
		{pattern: "PUT " + fronts + "/{name}", operation: "UpdateListener", handle: balancerPart("name", (*model.State).UpdateListener), empty: http.StatusAccepted},
		{pattern: "DELETE " + fronts + "/{name}", operation: "DeleteListener", handle: balancerChange(func(c *call) (*model.WorkRequest, error) {
			return c.state.DeleteListener(c.user, c.path("id"), c.path("name"), c.ifMatch())
		}), empty: http.StatusAccepted},
		{pattern: "PUT " + root + "/{id}/networkSecurityGroups", operation: "UpdateNetworkSecurityGroups", handle: balancerPart("", noName((*model.State).UpdateNlbGroups)), empty: http.StatusAccepted},
		{pattern: "PUT " + sets + "/healthChecker", operation: "UpdateHealthChecker", handle: balancerChange(updateHealth), empty: http.StatusAccepted},
		{pattern: "POST " + servers, operation: "CreateBackend", handle: balancerChange(createBackend), empty: http.StatusAccepted},
		{pattern: "GET " + servers + "/{name}", operation: "GetBackend", handle: func(c *call) (any, error) {
			return result(c.state.Backend(c.user, c.path("id"), c.path("set"), c.path("name")))
		}},
		{pattern: "PUT " + servers + "/{name}", operation: "UpdateBackend", handle: balancerChange(updateBackend), empty: http.StatusAccepted},
		{pattern: "DELETE " + servers + "/{name}", operation: "DeleteBackend", handle: balancerChange(deleteBackend), empty: http.StatusAccepted},
		{pattern: "GET /20200501/workRequests", operation: "ListNetworkLoadBalancerWorkRequests", handle: listBalancerWork},
		{pattern: "GET /20200501/workRequests/{id}", operation: "GetNetworkLoadBalancerWorkRequest", handle: func(c *call) (any, error) {
			return result(c.state.GetWorkRequest(c.user, c.path("id"), true))
		}},
		{pattern: "GET /20200501/workRequests/{id}/errors", operation: "ListNetworkLoadBalancerWorkRequestErrors", handle: listBalancerErrors},
	}
}

func wrapped(value any, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return collection{Items: value}, nil
}

func listBalancers(c *call) (any, error) {
	query, err := c.listQuery()
	if err != nil {
		return nil, err
	}
	items, next, err := c.state.ListNlbs(c.user, query)
	return wrapped(page(c, items, next, err))
}

func listBalancerWork(c *call) (any, error) {
	query, err := c.listQuery()
	if err != nil {
		return nil, err
	}
	items, next, err := c.state.ListWorkRequests(c.user, query, "", true)
	return wrapped(page(c, items, next, err))
}

func listBalancerErrors(c *call) (any, error) {
	query, err := c.listQuery()
	if err != nil {
		return nil, err
	}
	items, next, err := c.state.ListWorkErrors(c.user, c.path("id"), true, query)
	return wrapped(page(c, items, next, err))
}

func createBalancer(c *call) (any, error) {
	var details model.CreateNlbDetails
	if err := decode(c.body, &details); err != nil {
		return nil, err
	}
	balancer, work, err := c.state.CreateNlb(c.user, details)
	c.work(work)
	return result(balancer, err)
}

// balancerChange answers with nothing but the header of a work request. A retry with the same token
// gets the first call's.
func balancerChange(operation func(*call) (*model.WorkRequest, error)) handler {
	return func(c *call) (any, error) {
		work, err := operation(c)
		c.work(work)
		if err == nil {
			c.accepted = work.ID
		}
		return nil, err
	}
}

// partChange changes a named part of a load balancer: of an OCID, a name and an if-match header.
type partChange[D, W any] func(*model.State, *model.User, string, string, string, D) (W, error)

// noName is for changes with the name in their body, or without one.
func noName[D, W any](operation func(*model.State, *model.User, string, string, D) (W, error)) partChange[D, W] {
	return func(s *model.State, u *model.User, id, _, ifMatch string, details D) (W, error) {
		return operation(s, u, id, ifMatch, details)
	}
}

// change reads the body and the part's name, from the path's value of this name.
func (p partChange[D, W]) change(c *call, name string) (W, error) {
	var details D
	if err := decode(c.body, &details); err != nil {
		var none W
		return none, err
	}
	return p(c.state, c.user, c.path("id"), c.path(name), c.ifMatch(), details)
}

func balancerPart[D any](name string, operation partChange[D, *model.WorkRequest]) handler {
	return balancerChange(func(c *call) (*model.WorkRequest, error) { return operation.change(c, name) })
}

func updateBalancer(c *call) (*model.WorkRequest, error) {
	var details model.UpdateNlbDetails
	if err := decode(c.body, &details); err != nil {
		return nil, err
	}
	return c.state.UpdateNlb(c.user, c.path("id"), c.ifMatch(), details)
}

func deleteBalancer(c *call) (*model.WorkRequest, error) {
	return c.state.DeleteNlb(c.user, c.path("id"), c.ifMatch())
}

func updateHealth(c *call) (*model.WorkRequest, error) {
	var details model.HealthChecker
	if err := decode(c.body, &details); err != nil {
		return nil, err
	}
	return c.state.UpdateHealthChecker(c.user, c.path("id"), c.path("set"), c.ifMatch(), details)
}

func createBackend(c *call) (*model.WorkRequest, error) {
	var details model.Backend
	if err := decode(c.body, &details); err != nil {
		return nil, err
	}
	return c.state.CreateBackend(c.user, c.path("id"), c.path("set"), c.ifMatch(), details)
}

func updateBackend(c *call) (*model.WorkRequest, error) {
	var details model.UpdateBackendDetails
	if err := decode(c.body, &details); err != nil {
		return nil, err
	}
	return c.state.UpdateBackend(c.user, c.path("id"), c.path("set"), c.path("name"), c.ifMatch(), details)
}

func deleteBackend(c *call) (*model.WorkRequest, error) {
	return c.state.DeleteBackend(c.user, c.path("id"), c.path("set"), c.path("name"), c.ifMatch())
}
