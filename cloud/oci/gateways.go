// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"net/netip"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// InternetGateway connects public addresses of a VCN to the Internet, both ways.
type InternetGateway struct {
	Resource
	VCNID string
	// Enabled is the traffic's switch.
	Enabled bool
}

// NATGateway connects private addresses of a VCN to the Internet, outwards.
type NATGateway struct {
	Resource
	VCNID string
	// PublicIP is the address seen by the Internet.
	PublicIP netip.Addr
	// BlockTraffic is the traffic's switch.
	BlockTraffic bool
}

// GatewaySpec is an internet or NAT gateway to create.
type GatewaySpec struct {
	VCNID       string
	DisplayName string
	Tags        map[string]string
	// RetryToken makes repeated creations one, for 24 hours.
	RetryToken string
}

// ListInternetGateways lists the internet gateways matching the filter.
func (c *Client) ListInternetGateways(ctx context.Context, filter ListFilter) ([]InternetGateway, error) {
	type request = core.ListInternetGatewaysRequest
	type response = core.ListInternetGatewaysResponse
	items, err := listAll(ctx, c, pager[request, response, core.InternetGateway]{
		op:      operation{service: serviceNetwork, name: "ListInternetGateways"},
		do:      c.network.ListInternetGateways,
		request: request{CompartmentId: &c.compartmentID, VcnId: optional(filter.VCNID)},
		turn:    func(r *request, page *string) { r.Page = page },
		read:    func(r response) ([]core.InternetGateway, *string) { return r.Items, r.OpcNextPage },
	})
	if err != nil {
		return nil, err
	}
	var gateways []InternetGateway
	for _, item := range items {
		if got := internetGateway(item); filter.keeps(got.Resource) {
			gateways = append(gateways, got)
		}
	}
	return gateways, nil
}

// GetInternetGateway returns the internet gateway.
func (c *Client) GetInternetGateway(ctx context.Context, id string) (InternetGateway, error) {
	response, err := call(ctx, c, operation{service: serviceNetwork, name: "GetInternetGateway"}.on(id),
		c.network.GetInternetGateway, core.GetInternetGatewayRequest{IgId: &id})
	return internetGateway(response.InternetGateway), err
}

// CreateInternetGateway creates an enabled internet gateway. A VCN takes one: a second one is
// cloud.LimitExceeded.
func (c *Client) CreateInternetGateway(ctx context.Context, spec GatewaySpec) (InternetGateway, error) {
	yes := true
	response, err := call(ctx, c, operation{service: serviceNetwork, name: "CreateInternetGateway"},
		c.network.CreateInternetGateway, core.CreateInternetGatewayRequest{
			OpcRetryToken: optional(spec.RetryToken),
			CreateInternetGatewayDetails: core.CreateInternetGatewayDetails{
				CompartmentId: &c.compartmentID, VcnId: &spec.VCNID, DisplayName: optional(spec.DisplayName),
				IsEnabled: &yes, FreeformTags: spec.Tags,
			},
		})
	return internetGateway(response.InternetGateway), err
}

// UpdateInternetGatewayTags replaces the free-form tags.
func (c *Client) UpdateInternetGatewayTags(ctx context.Context, own ownership.Proof, tags map[string]string) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceNetwork, name: "UpdateInternetGateway"}.on(id),
		c.network.UpdateInternetGateway, core.UpdateInternetGatewayRequest{
			IgId: &id, UpdateInternetGatewayDetails: core.UpdateInternetGatewayDetails{FreeformTags: tags},
		})
	return err
}

// SetInternetGatewayEnabled turns the traffic on or off.
func (c *Client) SetInternetGatewayEnabled(ctx context.Context, own ownership.Proof, enabled bool) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceNetwork, name: "UpdateInternetGateway"}.on(id),
		c.network.UpdateInternetGateway, core.UpdateInternetGatewayRequest{
			IgId: &id, UpdateInternetGatewayDetails: core.UpdateInternetGatewayDetails{IsEnabled: &enabled},
		})
	return err
}

// DeleteInternetGateway deletes the internet gateway; cloud.Conflict while a route leads to it.
func (c *Client) DeleteInternetGateway(ctx context.Context, own ownership.Proof) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceNetwork, name: "DeleteInternetGateway"}.on(id),
		c.network.DeleteInternetGateway, core.DeleteInternetGatewayRequest{IgId: &id})
	return err
}

// ListNATGateways lists the NAT gateways matching the filter.
func (c *Client) ListNATGateways(ctx context.Context, filter ListFilter) ([]NATGateway, error) {
	type request = core.ListNatGatewaysRequest
	type response = core.ListNatGatewaysResponse
	items, err := listAll(ctx, c, pager[request, response, core.NatGateway]{
		op:      operation{service: serviceNetwork, name: "ListNatGateways"},
		do:      c.network.ListNatGateways,
		request: request{CompartmentId: &c.compartmentID, VcnId: optional(filter.VCNID)},
		turn:    func(r *request, page *string) { r.Page = page },
		read:    func(r response) ([]core.NatGateway, *string) { return r.Items, r.OpcNextPage },
	})
	if err != nil {
		return nil, err
	}
	var gateways []NATGateway
	for _, item := range items {
		if got := natGateway(item); filter.keeps(got.Resource) {
			gateways = append(gateways, got)
		}
	}
	return gateways, nil
}

// GetNATGateway returns the NAT gateway.
func (c *Client) GetNATGateway(ctx context.Context, id string) (NATGateway, error) {
	response, err := call(ctx, c, operation{service: serviceNetwork, name: "GetNatGateway"}.on(id),
		c.network.GetNatGateway, core.GetNatGatewayRequest{NatGatewayId: &id})
	return natGateway(response.NatGateway), err
}

// CreateNATGateway creates a NAT gateway. Always Free tenancies have none: cloud.LimitExceeded.
func (c *Client) CreateNATGateway(ctx context.Context, spec GatewaySpec) (NATGateway, error) {
	response, err := call(ctx, c, operation{service: serviceNetwork, name: "CreateNatGateway"}, c.network.CreateNatGateway,
		core.CreateNatGatewayRequest{
			OpcRetryToken: optional(spec.RetryToken),
			CreateNatGatewayDetails: core.CreateNatGatewayDetails{
				CompartmentId: &c.compartmentID, VcnId: &spec.VCNID, DisplayName: optional(spec.DisplayName),
				FreeformTags: spec.Tags,
			},
		})
	return natGateway(response.NatGateway), err
}

// UpdateNATGatewayTags replaces the free-form tags.
func (c *Client) UpdateNATGatewayTags(ctx context.Context, own ownership.Proof, tags map[string]string) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceNetwork, name: "UpdateNatGateway"}.on(id), c.network.UpdateNatGateway,
		core.UpdateNatGatewayRequest{
			NatGatewayId: &id, UpdateNatGatewayDetails: core.UpdateNatGatewayDetails{FreeformTags: tags},
		})
	return err
}

// SetNATGatewayBlocked turns the traffic off or on.
func (c *Client) SetNATGatewayBlocked(ctx context.Context, own ownership.Proof, blocked bool) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceNetwork, name: "UpdateNatGateway"}.on(id), c.network.UpdateNatGateway,
		core.UpdateNatGatewayRequest{
			NatGatewayId: &id, UpdateNatGatewayDetails: core.UpdateNatGatewayDetails{BlockTraffic: &blocked},
		})
	return err
}

// DeleteNATGateway deletes the NAT gateway; cloud.Conflict while a route leads to it.
func (c *Client) DeleteNATGateway(ctx context.Context, own ownership.Proof) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceNetwork, name: "DeleteNatGateway"}.on(id),
		c.network.DeleteNatGateway, core.DeleteNatGatewayRequest{NatGatewayId: &id})
	return err
}

func internetGateway(g core.InternetGateway) InternetGateway {
	return InternetGateway{
		Resource: resource(g.Id, g.DisplayName, g.LifecycleState, g.FreeformTags),
		VCNID:    value(g.VcnId), Enabled: value(g.IsEnabled),
	}
}

func natGateway(g core.NatGateway) NATGateway {
	return NATGateway{
		Resource: resource(g.Id, g.DisplayName, g.LifecycleState, g.FreeformTags),
		VCNID:    value(g.VcnId), PublicIP: address(g.NatIp), BlockTraffic: value(g.BlockTraffic),
	}
}
