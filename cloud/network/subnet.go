// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

type subnetClient interface {
	ListSubnets(ctx context.Context, filter oci.ListFilter) ([]oci.Subnet, error)
	CreateSubnet(ctx context.Context, spec oci.SubnetSpec) (oci.Subnet, error)
}

// subnetStep makes one regional subnet for all nodes. It comes last: a machine can be placed in it
// as soon as it exists.
type subnetStep struct{ subnetClient }

func (s subnetStep) run(ctx context.Context, w *work) (bool, error) {
	found, err := s.ListSubnets(ctx, w.children())
	if err != nil {
		return false, err
	}
	subnet, ok, leaving := pick(found, func(n oci.Subnet) oci.Resource { return n.Resource })
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
	return usable(subnet.Resource), nil
}
