// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/limits"
)

// LimitValue is a service limit of the tenancy.
type LimitValue struct {
	// Name of the limit, such as standard-a1-core-count.
	Name string
	// AvailabilityDomain of the limit; empty for a limit of the region or of the tenancy.
	AvailabilityDomain string
	// Value is the limit, in the limit's own unit.
	Value int64
}

// ResourceAvailability is the compartment's remaining part of a limit, quotas included.
type ResourceAvailability struct {
	// Known is not set for limits without a usage count at OCI.
	Known bool
	// Used and Available are in the limit's own unit.
	Used, Available int64
}

// LimitValues lists the limits of a service, such as compute.
func (c *Client) LimitValues(ctx context.Context, service string) ([]LimitValue, error) {
	items, err := listAll(ctx, c, pager[limits.ListLimitValuesRequest, limits.ListLimitValuesResponse, limits.LimitValueSummary]{
		op: operation{service: serviceLimits, name: "ListLimitValues"},
		do: c.limits.ListLimitValues,
		// Limits are the tenancy's: OCI wants its root compartment.
		request: limits.ListLimitValuesRequest{CompartmentId: &c.tenancyID, ServiceName: &service},
		turn:    func(r *limits.ListLimitValuesRequest, page *string) { r.Page = page },
		read: func(r limits.ListLimitValuesResponse) ([]limits.LimitValueSummary, *string) {
			return r.Items, r.OpcNextPage
		},
	})
	if err != nil {
		return nil, err
	}
	values := make([]LimitValue, 0, len(items))
	for _, item := range items {
		values = append(values, LimitValue{
			Name: value(item.Name), AvailabilityDomain: value(item.AvailabilityDomain), Value: value(item.Value),
		})
	}
	return values, nil
}

// ResourceAvailability returns the used and the remaining part of a limit. The availability domain
// is empty for limits of a region.
func (c *Client) ResourceAvailability(
	ctx context.Context, service, limit, availabilityDomain string,
) (ResourceAvailability, error) {
	op := operation{service: serviceLimits, name: "GetResourceAvailability"}.on(limit)
	response, err := call(ctx, c, op, c.limits.GetResourceAvailability, limits.GetResourceAvailabilityRequest{
		ServiceName: &service, LimitName: &limit, CompartmentId: &c.compartmentID,
		AvailabilityDomain: optional(availabilityDomain),
	})
	if err != nil {
		return ResourceAvailability{}, err
	}
	return ResourceAvailability{
		Known: response.Available != nil, Used: value(response.Used), Available: value(response.Available),
	}, nil
}
