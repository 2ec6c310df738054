// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"fmt"
	"slices"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

type subnetClient interface {
	ListSubnets(ctx context.Context, filter oci.ListFilter) ([]oci.Subnet, error)
	CreateSubnet(ctx context.Context, spec oci.SubnetSpec) (oci.Subnet, error)
	UpdateSubnet(ctx context.Context, own ownership.Proof, update oci.SubnetUpdate) error
}

// subnetStep makes one regional subnet for all nodes, with the cluster's routes, and nothing
// admitted but by security groups. It comes last: a machine can be placed in it as soon as it
// exists.
type subnetStep struct{ subnetClient }

// compare refuses to build upon a VCN or a subnet of another spec: routes, gateways and rules would
// be made for the one and serve the nodes of the other. The API lets no spec change; but an account
// can leave the cluster and return before its network is gone.
func (s subnetStep) compare(ctx context.Context, w *work) (bool, error) {
	vcnCIDR, err := parse(w.spec.VCNCIDR, "vcnCIDR")
	if err != nil {
		return false, err
	}
	if !slices.Contains(w.vcn.CIDRs, vcnCIDR) {
		return false, ofBefore("VCN %s has %v instead of vcnCIDR %s", w.vcn.ID, w.vcn.CIDRs, vcnCIDR)
	}
	if w.subnets, err = s.ListSubnets(ctx, w.children()); err != nil {
		return false, err
	}
	subnet, ok, _ := w.subnet()
	if !ok {
		return true, nil
	}
	cidr, err := parse(w.spec.SubnetCIDR, "subnetCIDR")
	switch {
	case err != nil:
		return false, err
	case subnet.CIDR != cidr:
		return false, ofBefore("subnet %s has %s instead of subnetCIDR %s", subnet.ID, subnet.CIDR, cidr)
	case subnet.Private && !w.spec.Gateway.IsPrivate():
		return false, ofBefore("subnet %s is private, and gateway %s needs a public one", subnet.ID, w.spec.Gateway)
	case !subnet.Private && w.spec.Gateway.IsPrivate():
		return false, ofBefore("subnet %s is public, and gateway %s needs a private one", subnet.ID, w.spec.Gateway)
	}
	return true, nil
}

// ofBefore is what keeps the cluster from having the network of its spec.
func ofBefore(difference string, args ...any) error {
	return &cloud.Error{Kind: cloud.InvalidRequest, Message: cloud.Scrub(fmt.Sprintf(difference, args...) +
		": the account still has the network of before; take the account out of spec.accounts until that is gone")}
}

func (w *work) subnet() (subnet oci.Subnet, found, leaving bool) {
	return pick(w.subnets, func(n oci.Subnet) oci.Resource { return n.Resource })
}

func (s subnetStep) run(ctx context.Context, w *work) (bool, error) {
	subnet, ok, leaving := w.subnet()
	if leaving {
		return false, nil
	}
	if !ok {
		cidr, err := parse(w.spec.SubnetCIDR, "subnetCIDR")
		if err != nil {
			return false, err
		}
		subnet, err = create(w.owner, []string{"subnet", w.vcn.ID, w.tableID, cidr.String()}, func(token string) (oci.Subnet, error) {
			return s.CreateSubnet(ctx, oci.SubnetSpec{
				VCNID: w.vcn.ID, DisplayName: w.displayName(), CIDR: cidr, RouteTableID: w.tableID,
				Private: w.spec.Gateway.IsPrivate(), Tags: w.tags, RetryToken: token,
			})
		})
		if err != nil {
			return false, err
		}
	}
	w.subnetID = subnet.ID
	if !usable(subnet.Resource) {
		return false, nil
	}
	lists := []string{w.vcn.DefaultSecurityListID}
	if subnet.RouteTableID == w.tableID && slices.Equal(subnet.SecurityListIDs, lists) {
		return true, nil
	}
	own, err := proof(w.owner, subnet.Resource)
	if err != nil {
		return false, err
	}
	return true, s.UpdateSubnet(ctx, own, oci.SubnetUpdate{RouteTableID: w.tableID, SecurityListIDs: lists})
}
