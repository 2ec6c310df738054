// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// NetworkSecurityGroup filters the traffic of the VNICs in it.
type NetworkSecurityGroup struct {
	Resource
	VCNID string
}

// NetworkSecurityGroupSpec is a network security group to create, without rules.
type NetworkSecurityGroupSpec struct {
	VCNID       string
	DisplayName string
	Tags        map[string]string
	// RetryToken makes repeated creations one, for 24 hours.
	RetryToken string
}

// ListNetworkSecurityGroups lists the network security groups matching the filter.
func (c *Client) ListNetworkSecurityGroups(ctx context.Context, filter ListFilter) ([]NetworkSecurityGroup, error) {
	type request = core.ListNetworkSecurityGroupsRequest
	type response = core.ListNetworkSecurityGroupsResponse
	items, err := listAll(ctx, c, pager[request, response, core.NetworkSecurityGroup]{
		op:      operation{service: serviceNetwork, name: "ListNetworkSecurityGroups"},
		do:      c.network.ListNetworkSecurityGroups,
		request: request{CompartmentId: &c.compartmentID, VcnId: optional(filter.VCNID)},
		turn:    func(r *request, page *string) { r.Page = page },
		read:    func(r response) ([]core.NetworkSecurityGroup, *string) { return r.Items, r.OpcNextPage },
	})
	if err != nil {
		return nil, err
	}
	var groups []NetworkSecurityGroup
	for _, item := range items {
		if got := networkSecurityGroup(item); filter.keeps(got.Resource) {
			groups = append(groups, got)
		}
	}
	return groups, nil
}

// GetNetworkSecurityGroup returns the network security group.
func (c *Client) GetNetworkSecurityGroup(ctx context.Context, id string) (NetworkSecurityGroup, error) {
	response, err := call(ctx, c, operation{service: serviceNetwork, name: "GetNetworkSecurityGroup"}.on(id),
		c.network.GetNetworkSecurityGroup, core.GetNetworkSecurityGroupRequest{NetworkSecurityGroupId: &id})
	return networkSecurityGroup(response.NetworkSecurityGroup), err
}

// CreateNetworkSecurityGroup creates a network security group. It admits nothing until it has
// rules.
func (c *Client) CreateNetworkSecurityGroup(ctx context.Context, spec NetworkSecurityGroupSpec) (NetworkSecurityGroup, error) {
	response, err := call(ctx, c, operation{service: serviceNetwork, name: "CreateNetworkSecurityGroup"},
		c.network.CreateNetworkSecurityGroup, core.CreateNetworkSecurityGroupRequest{
			OpcRetryToken: optional(spec.RetryToken),
			CreateNetworkSecurityGroupDetails: core.CreateNetworkSecurityGroupDetails{
				CompartmentId: &c.compartmentID, VcnId: &spec.VCNID, DisplayName: optional(spec.DisplayName),
				FreeformTags: spec.Tags,
			},
		})
	return networkSecurityGroup(response.NetworkSecurityGroup), err
}

// UpdateNetworkSecurityGroupTags replaces the free-form tags.
func (c *Client) UpdateNetworkSecurityGroupTags(ctx context.Context, own ownership.Proof, tags map[string]string) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceNetwork, name: "UpdateNetworkSecurityGroup"}.on(id),
		c.network.UpdateNetworkSecurityGroup, core.UpdateNetworkSecurityGroupRequest{
			NetworkSecurityGroupId:            &id,
			UpdateNetworkSecurityGroupDetails: core.UpdateNetworkSecurityGroupDetails{FreeformTags: tags},
		})
	return err
}

// DeleteNetworkSecurityGroup deletes the network security group; cloud.Conflict while there are
// VNICs in it.
func (c *Client) DeleteNetworkSecurityGroup(ctx context.Context, own ownership.Proof) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceNetwork, name: "DeleteNetworkSecurityGroup"}.on(id),
		c.network.DeleteNetworkSecurityGroup, core.DeleteNetworkSecurityGroupRequest{NetworkSecurityGroupId: &id})
	return err
}

func networkSecurityGroup(g core.NetworkSecurityGroup) NetworkSecurityGroup {
	return NetworkSecurityGroup{
		Resource: resource(g.Id, g.DisplayName, g.LifecycleState, g.FreeformTags), VCNID: value(g.VcnId),
	}
}
