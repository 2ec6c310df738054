// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"net/netip"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

type vcnClient interface {
	ListVCNs(ctx context.Context, tags map[string]string) ([]oci.VCN, error)
	CreateVCN(ctx context.Context, spec oci.VCNSpec) (oci.VCN, error)
	claimClient
	GetSecurityList(ctx context.Context, id string) (oci.SecurityList, error)
	ClearSecurityList(ctx context.Context, own ownership.Proof) error
}

type vcnStep struct{ vcnClient }

func (s vcnStep) run(ctx context.Context, w *work) (bool, error) {
	found, err := s.ListVCNs(ctx, w.owner.Tags())
	if err != nil {
		return false, err
	}
	vcn, ok, leaving := pick(found, func(v oci.VCN) oci.Resource { return v.Resource })
	if leaving {
		return false, nil
	}
	if !ok {
		cidr, err := parse(w.spec.VCNCIDR, "vcnCIDR")
		if err != nil {
			return false, err
		}
		vcn, err = create(w.owner, []string{"vcn", cidr.String()}, func(token string) (oci.VCN, error) {
			return s.CreateVCN(ctx, oci.VCNSpec{
				DisplayName: w.displayName(), CIDRs: []netip.Prefix{cidr}, Tags: w.owner.Claimed(w.tags), RetryToken: token,
			})
		})
		if err != nil {
			return false, err
		}
	}
	w.vcn = vcn
	ours, err := hold(ctx, s, w.owner, vcn, &w.claim)
	return ours && usable(vcn.Resource), err
}

// defaultListStep empties the default security list of the VCN. This list applies to all subnets,
// cannot be deleted, and admits SSH from everywhere; rules of security groups can only add to it
// (OCI documentation, "Security Lists").
type defaultListStep struct{ vcnClient }

func (s defaultListStep) run(ctx context.Context, w *work) (bool, error) {
	list, err := s.GetSecurityList(ctx, w.vcn.DefaultSecurityListID)
	if err != nil {
		return false, err
	}
	if list.IngressRules+list.EgressRules > 0 {
		own, err := proof(w.owner, w.vcn.Resource)
		if err != nil {
			return false, err
		}
		return true, s.ClearSecurityList(ctx, own.Part(list.ID))
	}
	return true, nil
}
