// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"net/netip"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// Subnet is a part of a VCN.
type Subnet struct {
	Resource
	// VCNID, RouteTableID and SecurityListIDs are OCIDs.
	VCNID, RouteTableID string
	SecurityListIDs     []string
	// CIDR is its IPv4 range.
	CIDR netip.Prefix
	// Private subnets refuse public addresses on their VNICs.
	Private bool
	// DNSLabel is its part of host names; may be empty.
	DNSLabel string
	// AvailabilityDomain is empty for a regional subnet.
	AvailabilityDomain string
}

// SubnetSpec is a regional subnet to create. It gets the VCN's default security list.
type SubnetSpec struct {
	VCNID       string
	DisplayName string
	CIDR        netip.Prefix
	// RouteTableID of its own; empty means the VCN's default route table.
	RouteTableID string
	// Private refuses public addresses on VNICs.
	Private bool
	// DNSLabel needs one on the VCN; empty for none.
	DNSLabel string
	Tags     map[string]string
	// RetryToken makes repeated creations one, for 24 hours.
	RetryToken string
}

// ListSubnets lists the subnets matching the filter.
func (c *Client) ListSubnets(ctx context.Context, filter ListFilter) ([]Subnet, error) {
	items, err := listAll(ctx, c, pager[core.ListSubnetsRequest, core.ListSubnetsResponse, core.Subnet]{
		op:      operation{service: serviceNetwork, name: "ListSubnets"},
		do:      c.network.ListSubnets,
		request: core.ListSubnetsRequest{CompartmentId: &c.compartmentID, VcnId: optional(filter.VCNID)},
		turn:    func(r *core.ListSubnetsRequest, page *string) { r.Page = page },
		read:    func(r core.ListSubnetsResponse) ([]core.Subnet, *string) { return r.Items, r.OpcNextPage },
	})
	if err != nil {
		return nil, err
	}
	var subnets []Subnet
	for _, item := range items {
		if got := subnet(item); filter.keeps(got.Resource) {
			subnets = append(subnets, got)
		}
	}
	return subnets, nil
}

// GetSubnet returns the subnet.
func (c *Client) GetSubnet(ctx context.Context, id string) (Subnet, error) {
	response, err := call(ctx, c, operation{service: serviceNetwork, name: "GetSubnet"}.on(id),
		c.network.GetSubnet, core.GetSubnetRequest{SubnetId: &id})
	return subnet(response.Subnet), err
}

// CreateSubnet creates a regional subnet.
func (c *Client) CreateSubnet(ctx context.Context, spec SubnetSpec) (Subnet, error) {
	cidr := spec.CIDR.String()
	response, err := call(ctx, c, operation{service: serviceNetwork, name: "CreateSubnet"}, c.network.CreateSubnet,
		core.CreateSubnetRequest{
			OpcRetryToken: optional(spec.RetryToken),
			CreateSubnetDetails: core.CreateSubnetDetails{
				CompartmentId: &c.compartmentID, VcnId: &spec.VCNID, DisplayName: optional(spec.DisplayName), CidrBlock: &cidr,
				RouteTableId: optional(spec.RouteTableID), ProhibitPublicIpOnVnic: &spec.Private,
				DnsLabel: optional(spec.DNSLabel), FreeformTags: spec.Tags,
			},
		})
	return subnet(response.Subnet), err
}

// UpdateSubnetTags replaces the free-form tags.
func (c *Client) UpdateSubnetTags(ctx context.Context, own ownership.Proof, tags map[string]string) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceNetwork, name: "UpdateSubnet"}.on(id), c.network.UpdateSubnet,
		core.UpdateSubnetRequest{SubnetId: &id, UpdateSubnetDetails: core.UpdateSubnetDetails{FreeformTags: tags}})
	return err
}

// SubnetUpdate is a change of a subnet.
type SubnetUpdate struct {
	RouteTableID    string
	SecurityListIDs []string
}

// UpdateSubnet changes the subnet's route table and security lists.
func (c *Client) UpdateSubnet(ctx context.Context, own ownership.Proof, update SubnetUpdate) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceNetwork, name: "UpdateSubnet"}.on(id), c.network.UpdateSubnet,
		core.UpdateSubnetRequest{SubnetId: &id, UpdateSubnetDetails: core.UpdateSubnetDetails{
			RouteTableId: &update.RouteTableID, SecurityListIds: update.SecurityListIDs,
		}})
	return err
}

// DeleteSubnet deletes the subnet; cloud.Conflict while there are VNICs in it.
func (c *Client) DeleteSubnet(ctx context.Context, own ownership.Proof) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceNetwork, name: "DeleteSubnet"}.on(id),
		c.network.DeleteSubnet, core.DeleteSubnetRequest{SubnetId: &id})
	return err
}

func subnet(s core.Subnet) Subnet {
	return Subnet{
		Resource:           resource(s.Id, s.DisplayName, s.LifecycleState, s.FreeformTags),
		VCNID:              value(s.VcnId),
		RouteTableID:       value(s.RouteTableId),
		SecurityListIDs:    s.SecurityListIds,
		CIDR:               prefix(value(s.CidrBlock)),
		Private:            value(s.ProhibitPublicIpOnVnic),
		DNSLabel:           value(s.DnsLabel),
		AvailabilityDomain: value(s.AvailabilityDomain),
	}
}
