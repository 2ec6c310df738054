// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/identity"
)

// AvailabilityDomain is one of the region's, as the tenancy sees it.
type AvailabilityDomain struct {
	// Name has the tenancy's own prefix, such as Uocm:EU-FRANKFURT-1-AD-1.
	Name string
	// FaultDomains are their names, such as FAULT-DOMAIN-1.
	FaultDomains []string
}

// RegionSubscription is a region the tenancy may use.
type RegionSubscription struct {
	// Name is the region identifier, such as eu-frankfurt-1.
	Name string
	// Home is set for the tenancy's home region.
	Home bool
	// Ready is not set while the subscription is in progress.
	Ready bool
}

// AvailabilityDomains lists the region's availability domains with their fault domains: 1 + n
// calls.
func (c *Client) AvailabilityDomains(ctx context.Context) ([]AvailabilityDomain, error) {
	response, err := call(ctx, c, operation{service: serviceIdentity, name: "ListAvailabilityDomains"},
		c.identity.ListAvailabilityDomains, identity.ListAvailabilityDomainsRequest{CompartmentId: &c.compartmentID})
	if err != nil {
		return nil, err
	}
	domains := make([]AvailabilityDomain, 0, len(response.Items))
	for _, item := range response.Items {
		faults, err := call(ctx, c, operation{service: serviceIdentity, name: "ListFaultDomains"},
			c.identity.ListFaultDomains,
			identity.ListFaultDomainsRequest{CompartmentId: &c.compartmentID, AvailabilityDomain: item.Name})
		if err != nil {
			return nil, err
		}
		domain := AvailabilityDomain{Name: value(item.Name)}
		for _, fault := range faults.Items {
			domain.FaultDomains = append(domain.FaultDomains, value(fault.Name))
		}
		domains = append(domains, domain)
	}
	return domains, nil
}

// RegionSubscriptions lists the regions the tenancy may use.
func (c *Client) RegionSubscriptions(ctx context.Context) ([]RegionSubscription, error) {
	response, err := call(ctx, c, operation{service: serviceIdentity, name: "ListRegionSubscriptions"}.on(c.tenancyID),
		c.identity.ListRegionSubscriptions, identity.ListRegionSubscriptionsRequest{TenancyId: &c.tenancyID})
	if err != nil {
		return nil, err
	}
	subscriptions := make([]RegionSubscription, 0, len(response.Items))
	for _, item := range response.Items {
		subscriptions = append(subscriptions, RegionSubscription{
			Name:  value(item.RegionName),
			Home:  value(item.IsHomeRegion),
			Ready: item.Status == identity.RegionSubscriptionStatusReady,
		})
	}
	return subscriptions, nil
}

// ProbeCompartment succeeds if instances and networks of the compartment can be listed: two calls.
// OCI answers 404 both for missing resources and for missing permissions, so trust a 404 only
// together with a successful probe.
func (c *Client) ProbeCompartment(ctx context.Context) error {
	one := 1
	_, err := call(ctx, c, operation{service: serviceCompute, name: "ListInstances"},
		c.compute.ListInstances, core.ListInstancesRequest{CompartmentId: &c.compartmentID, Limit: &one})
	if err != nil {
		return err
	}
	_, err = call(ctx, c, operation{service: serviceNetwork, name: "ListVcns"},
		c.network.ListVcns, core.ListVcnsRequest{CompartmentId: &c.compartmentID, Limit: &one})
	return err
}
