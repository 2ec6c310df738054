// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"net/netip"
	"slices"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

type routeClient interface {
	ListRouteTables(ctx context.Context, filter oci.ListFilter) ([]oci.RouteTable, error)
	CreateRouteTable(ctx context.Context, spec oci.RouteTableSpec) (oci.RouteTable, error)
	UpdateRouteTable(ctx context.Context, own ownership.Proof, update oci.RouteTableUpdate) error
}

var everywhere = netip.MustParsePrefix("0.0.0.0/0")

// routeStep has exactly one route: everything to the gateway.
type routeStep struct{ routeClient }

func (s routeStep) run(ctx context.Context, w *work) (bool, error) {
	found, err := s.ListRouteTables(ctx, w.children())
	if err != nil {
		return false, err
	}
	table, ok, leaving := pick(found, func(t oci.RouteTable) oci.Resource { return t.Resource })
	if leaving {
		return false, nil
	}
	want := []oci.RouteRule{{Destination: everywhere, TargetID: w.gatewayID, Description: "Internet"}}
	if !ok {
		table, err = create(w.owner, []string{"routetable", w.vcn.ID, w.gatewayID}, func(token string) (oci.RouteTable, error) {
			return s.CreateRouteTable(ctx, oci.RouteTableSpec{
				VCNID: w.vcn.ID, DisplayName: w.displayName(), Rules: want, Tags: w.tags, RetryToken: token,
			})
		})
		if err != nil {
			return false, err
		}
	}
	w.tableID = table.ID
	if !usable(table.Resource) {
		return false, nil
	}
	if !slices.EqualFunc(table.Rules, want, sameRoute) {
		own, err := proof(w.owner, table.Resource)
		if err != nil {
			return false, err
		}
		return true, s.UpdateRouteTable(ctx, own, oci.RouteTableUpdate{Rules: want})
	}
	return true, nil
}

func sameRoute(a, b oci.RouteRule) bool {
	return a.Destination == b.Destination && a.TargetID == b.TargetID
}
