// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"fmt"
	"net/netip"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

type vcnClient interface {
	ListVCNs(ctx context.Context, tags map[string]string) ([]oci.VCN, error)
	vcnReader
	CreateVCN(ctx context.Context, spec oci.VCNSpec) (oci.VCN, error)
	claimClient
	GetSecurityList(ctx context.Context, id string) (oci.SecurityList, error)
	ClearSecurityList(ctx context.Context, own ownership.Proof) error
}

type vcnReader interface {
	GetVCN(ctx context.Context, id string) (oci.VCN, error)
}

type vcnStep struct{ vcnClient }

func (s vcnStep) run(ctx context.Context, w *work) (bool, error) {
	found, err := s.find(ctx, w)
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

// find lists the cluster's VCNs. A recorded one that the list lacks is read: it may be new, or have
// lost its tags, and then nothing is made beside it.
func (s vcnStep) find(ctx context.Context, w *work) ([]oci.VCN, error) {
	found, err := s.ListVCNs(ctx, w.owner.Tags())
	if err != nil || w.recorded == "" || listed(found, w.recorded) {
		return found, err
	}
	seen, untagged, err := lookUp(ctx, s, w.owner, w.recorded)
	if err == nil && untagged {
		err = &cloud.Error{Kind: cloud.InvalidRequest, Message: cloud.Scrub(fmt.Sprintf(
			"%s does not carry the tags of cluster %s, %s=%s and %s=%s, so that it is left alone: "+
				"put the tags back, or take the account out of spec.accounts",
			w.recorded, w.owner, infrav1.ClusterUIDTag, w.owner.Identity(), infrav1.ClusterNameTag, w.tags[infrav1.ClusterNameTag]))}
	}
	return append(found, seen...), err
}

// lookUp reads a VCN. There is none if OCI shows none that lives and is the cluster's; untagged
// says that it lives without the cluster's tags.
func lookUp(ctx context.Context, c vcnReader, owner ownership.Owner, id string) (seen []oci.VCN, untagged bool, err error) {
	vcn, err := c.GetVCN(ctx, id)
	switch {
	case cloud.IsKind(err, cloud.NotFoundOrUnauthorized):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case vcn.State == oci.StateTerminated:
		return nil, false, nil
	case !vcn.HasTags(owner.Tags()):
		return nil, !vcn.State.IsEnding(), nil
	}
	return []oci.VCN{vcn}, false, nil
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
