// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"net/netip"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// VCN is a virtual cloud network.
type VCN struct {
	Resource
	// CIDRs are its IPv4 ranges.
	CIDRs []netip.Prefix
	// DNSLabel is its part of host names; may be empty.
	DNSLabel string
	// DefaultRouteTableID and DefaultSecurityListID are created and deleted with it.
	DefaultRouteTableID, DefaultSecurityListID string
}

// VCNSpec is a VCN to create.
type VCNSpec struct {
	DisplayName string
	CIDRs       []netip.Prefix
	// DNSLabel gives hosts names in the VCN's DNS; empty for none. Letters and digits, 15 at most.
	DNSLabel string
	Tags     map[string]string
	// RetryToken makes repeated creations one, for 24 hours.
	RetryToken string
}

// ListVCNs lists the compartment's VCNs with all of the tags, except TERMINATED ones.
func (c *Client) ListVCNs(ctx context.Context, tags map[string]string) ([]VCN, error) {
	items, err := listAll(ctx, c, pager[core.ListVcnsRequest, core.ListVcnsResponse, core.Vcn]{
		op:      operation{service: serviceNetwork, name: "ListVcns"},
		do:      c.network.ListVcns,
		request: core.ListVcnsRequest{CompartmentId: &c.compartmentID},
		turn:    func(r *core.ListVcnsRequest, page *string) { r.Page = page },
		read:    func(r core.ListVcnsResponse) ([]core.Vcn, *string) { return r.Items, r.OpcNextPage },
	})
	if err != nil {
		return nil, err
	}
	filter := ListFilter{Tags: tags}
	var vcns []VCN
	for _, item := range items {
		if got := vcn(item); filter.keeps(got.Resource) {
			vcns = append(vcns, got)
		}
	}
	return vcns, nil
}

// GetVCN returns the VCN.
func (c *Client) GetVCN(ctx context.Context, id string) (VCN, error) {
	response, err := call(ctx, c, operation{service: serviceNetwork, name: "GetVcn"}.on(id),
		c.network.GetVcn, core.GetVcnRequest{VcnId: &id})
	return vcn(response.Vcn), err
}

// CreateVCN creates a VCN.
func (c *Client) CreateVCN(ctx context.Context, spec VCNSpec) (VCN, error) {
	cidrs := make([]string, 0, len(spec.CIDRs))
	for _, cidr := range spec.CIDRs {
		cidrs = append(cidrs, cidr.String())
	}
	response, err := call(ctx, c, operation{service: serviceNetwork, name: "CreateVcn"}, c.network.CreateVcn,
		core.CreateVcnRequest{
			OpcRetryToken: optional(spec.RetryToken),
			CreateVcnDetails: core.CreateVcnDetails{
				CompartmentId: &c.compartmentID, DisplayName: optional(spec.DisplayName), CidrBlocks: cidrs,
				DnsLabel: optional(spec.DNSLabel), FreeformTags: spec.Tags,
			},
		})
	return vcn(response.Vcn), err
}

// UpdateVCNTags replaces the free-form tags.
func (c *Client) UpdateVCNTags(ctx context.Context, own ownership.Proof, tags map[string]string) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceNetwork, name: "UpdateVcn"}.on(id), c.network.UpdateVcn,
		core.UpdateVcnRequest{VcnId: &id, UpdateVcnDetails: core.UpdateVcnDetails{FreeformTags: tags}})
	return err
}

// DeleteVCN deletes the VCN; cloud.Conflict while there is something in it.
func (c *Client) DeleteVCN(ctx context.Context, own ownership.Proof) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceNetwork, name: "DeleteVcn"}.on(id),
		c.network.DeleteVcn, core.DeleteVcnRequest{VcnId: &id})
	return err
}

func vcn(v core.Vcn) VCN {
	return VCN{
		Resource:              resource(v.Id, v.DisplayName, v.LifecycleState, v.FreeformTags),
		CIDRs:                 prefixes(v.CidrBlocks),
		DNSLabel:              value(v.DnsLabel),
		DefaultRouteTableID:   value(v.DefaultRouteTableId),
		DefaultSecurityListID: value(v.DefaultSecurityListId),
	}
}
