// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import "github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"

// poolRoutes are oci-go-sdk's ComputeManagementClient, as far as it is simulated.
func poolRoutes() []route {
	const (
		configurations = "/20160918/instanceConfigurations"
		pools          = "/20160918/instancePools"
	)
	return []route{
		{pattern: "GET " + configurations, operation: "ListInstanceConfigurations", handle: lists("", (*model.State).ListConfigurations)},
		{pattern: "POST " + configurations, operation: "CreateInstanceConfiguration", handle: creates((*model.State).CreateConfiguration)},
		{pattern: "GET " + configurations + "/{id}", operation: "GetInstanceConfiguration", handle: gets((*model.State).GetConfiguration)},
		{pattern: "DELETE " + configurations + "/{id}", operation: "DeleteInstanceConfiguration", handle: deletes((*model.State).DeleteConfiguration)},

		{pattern: "GET " + pools, operation: "ListInstancePools", handle: lists("", (*model.State).ListPools)},
		{pattern: "POST " + pools, operation: "CreateInstancePool", handle: creates((*model.State).CreatePool)},
		{pattern: "GET " + pools + "/{id}", operation: "GetInstancePool", handle: gets((*model.State).GetPool)},
		{pattern: "PUT " + pools + "/{id}", operation: "UpdateInstancePool", handle: updates((*model.State).UpdatePool)},
		{pattern: "DELETE " + pools + "/{id}", operation: "TerminateInstancePool", handle: deletes((*model.State).TerminatePool)},
		{pattern: "GET " + pools + "/{id}/instances", operation: "ListInstancePoolInstances", handle: listPoolInstances},
		{pattern: "GET " + pools + "/{id}/instances/{instance}", operation: "GetInstancePoolInstance", handle: func(c *call) (any, error) {
			return result(c.state.GetPoolInstance(c.user, c.path("id"), c.path("instance")))
		}},
		{pattern: "POST " + pools + "/{id}/actions/detachInstance", operation: "DetachInstancePoolInstance", handle: detachFromPool},
	}
}

func listPoolInstances(c *call) (any, error) {
	query, err := c.listQuery()
	if err != nil {
		return nil, err
	}
	items, next, err := c.state.ListPoolInstances(c.user, c.path("id"), query)
	return page(c, items, next, err)
}

func detachFromPool(c *call) (any, error) {
	var details model.DetachDetails
	if err := decode(c.body, &details); err != nil {
		return nil, err
	}
	work, err := c.state.DetachFromPool(c.user, c.path("id"), details)
	if err != nil {
		return nil, err
	}
	c.work(work)
	c.accepted = details.InstanceID
	return nil, nil
}
