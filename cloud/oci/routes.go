// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"net/netip"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// RouteTable holds the routes of subnets.
type RouteTable struct {
	Resource
	VCNID string
	Rules []RouteRule
}

// RouteRule sends a destination's traffic to a gateway. Rules of OCI's other kinds, to services,
// have no valid Destination.
type RouteRule struct {
	Destination netip.Prefix
	// TargetID is the OCID of the gateway, or of a private IP.
	TargetID    string
	Description string
}

// RouteTableSpec is a route table to create.
type RouteTableSpec struct {
	VCNID       string
	DisplayName string
	Rules       []RouteRule
	Tags        map[string]string
	// RetryToken makes repeated creations one, for 24 hours.
	RetryToken string
}

// RouteTableUpdate changes a route table; nil fields stay as they are.
type RouteTableUpdate struct {
	// Rules replace all rules; empty but not nil removes them.
	Rules []RouteRule
	// Tags replace all free-form tags.
	Tags map[string]string
}

// ListRouteTables lists the route tables matching the filter, the VCNs' default ones among them.
func (c *Client) ListRouteTables(ctx context.Context, filter ListFilter) ([]RouteTable, error) {
	items, err := listAll(ctx, c, pager[core.ListRouteTablesRequest, core.ListRouteTablesResponse, core.RouteTable]{
		op:      operation{service: serviceNetwork, name: "ListRouteTables"},
		do:      c.network.ListRouteTables,
		request: core.ListRouteTablesRequest{CompartmentId: &c.compartmentID, VcnId: optional(filter.VCNID)},
		turn:    func(r *core.ListRouteTablesRequest, page *string) { r.Page = page },
		read:    func(r core.ListRouteTablesResponse) ([]core.RouteTable, *string) { return r.Items, r.OpcNextPage },
	})
	if err != nil {
		return nil, err
	}
	var tables []RouteTable
	for _, item := range items {
		if got := routeTable(item); filter.keeps(got.Resource) {
			tables = append(tables, got)
		}
	}
	return tables, nil
}

// GetRouteTable returns the route table.
func (c *Client) GetRouteTable(ctx context.Context, id string) (RouteTable, error) {
	response, err := call(ctx, c, operation{service: serviceNetwork, name: "GetRouteTable"}.on(id),
		c.network.GetRouteTable, core.GetRouteTableRequest{RtId: &id})
	return routeTable(response.RouteTable), err
}

// CreateRouteTable creates a route table.
func (c *Client) CreateRouteTable(ctx context.Context, spec RouteTableSpec) (RouteTable, error) {
	response, err := call(ctx, c, operation{service: serviceNetwork, name: "CreateRouteTable"}, c.network.CreateRouteTable,
		core.CreateRouteTableRequest{
			OpcRetryToken: optional(spec.RetryToken),
			CreateRouteTableDetails: core.CreateRouteTableDetails{
				CompartmentId: &c.compartmentID, VcnId: &spec.VCNID, DisplayName: optional(spec.DisplayName),
				RouteRules: routeRules(spec.Rules), FreeformTags: spec.Tags,
			},
		})
	return routeTable(response.RouteTable), err
}

// UpdateRouteTable replaces rules, tags or both.
func (c *Client) UpdateRouteTable(ctx context.Context, own ownership.Proof, update RouteTableUpdate) error {
	id := own.ID()
	details := core.UpdateRouteTableDetails{FreeformTags: update.Tags}
	if update.Rules != nil {
		details.RouteRules = routeRules(update.Rules)
	}
	_, err := call(ctx, c, operation{service: serviceNetwork, name: "UpdateRouteTable"}.on(id), c.network.UpdateRouteTable,
		core.UpdateRouteTableRequest{RtId: &id, UpdateRouteTableDetails: details})
	return err
}

// DeleteRouteTable deletes the route table; cloud.Conflict while a subnet uses it.
func (c *Client) DeleteRouteTable(ctx context.Context, own ownership.Proof) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceNetwork, name: "DeleteRouteTable"}.on(id),
		c.network.DeleteRouteTable, core.DeleteRouteTableRequest{RtId: &id})
	return err
}

func routeRules(rules []RouteRule) []core.RouteRule {
	out := make([]core.RouteRule, 0, len(rules))
	for _, rule := range rules {
		destination := rule.Destination.String()
		out = append(out, core.RouteRule{
			Destination: &destination, DestinationType: core.RouteRuleDestinationTypeCidrBlock,
			NetworkEntityId: optional(rule.TargetID), Description: optional(rule.Description),
		})
	}
	return out
}

func routeTable(t core.RouteTable) RouteTable {
	out := RouteTable{
		Resource: resource(t.Id, t.DisplayName, t.LifecycleState, t.FreeformTags),
		VCNID:    value(t.VcnId),
	}
	for _, rule := range t.RouteRules {
		out.Rules = append(out.Rules, RouteRule{
			Destination: prefix(value(rule.Destination)), TargetID: value(rule.NetworkEntityId), Description: value(rule.Description),
		})
	}
	return out
}
