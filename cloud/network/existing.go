// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

type existingClient interface {
	GetSubnet(ctx context.Context, id string) (oci.Subnet, error)
	GetVCN(ctx context.Context, id string) (oci.VCN, error)
	GetNetworkSecurityGroup(ctx context.Context, id string) (oci.NetworkSecurityGroup, error)
}

// Verify checks a network of the user's and changes nothing. Machines get public addresses where
// the subnet allows them. With an error, Doing names the field at fault. A network made by the
// provider for a cluster of another namespace is refused: resources put into it would block its
// deletion.
func Verify(ctx context.Context, c existingClient, owner ownership.Owner, spec infrav1.ExistingNetwork) (State, error) {
	subnet, err := c.GetSubnet(ctx, spec.SubnetID)
	if err != nil {
		return State{Doing: "existing.subnetID"}, fmt.Errorf("existing.subnetID: %w", err)
	}
	state := State{
		VCNID: subnet.VCNID, SubnetID: subnet.ID, PublicIP: !subnet.Private,
		NetworkSecurityGroupIDs: slices.Clone(spec.NetworkSecurityGroupIDs),
	}
	if owner.IsNeighbours(subnet.Tags) {
		return State{}, neighbours("subnet", subnet.Resource)
	}
	if !usable(subnet.Resource) {
		return State{}, unusable("subnet", subnet.Resource)
	}
	if state.Ranges, err = rangesOf(ctx, c, subnet); err != nil {
		return State{Doing: "the VCN of existing.subnetID"}, err
	}
	for _, id := range spec.NetworkSecurityGroupIDs {
		group, err := c.GetNetworkSecurityGroup(ctx, id)
		if err != nil {
			return State{Doing: "existing.networkSecurityGroupIDs"}, fmt.Errorf("existing.networkSecurityGroupIDs: %w", err)
		}
		if owner.IsNeighbours(group.Tags) {
			return State{}, neighbours("network security group", group.Resource)
		}
		if !usable(group.Resource) {
			return State{}, unusable("network security group", group.Resource)
		}
		if group.VCNID != subnet.VCNID {
			return State{}, &cloud.Error{
				Kind:    cloud.InvalidRequest,
				Message: fmt.Sprintf("network security group %s is in another VCN than subnet %s", id, subnet.ID),
			}
		}
	}
	state.Ready = true
	return state, nil
}

// rangesOf are the ranges of the subnet's VCN, or the subnet's where the policy lets the account
// use that one and not read the other.
func rangesOf(ctx context.Context, c existingClient, subnet oci.Subnet) ([]netip.Prefix, error) {
	vcn, err := c.GetVCN(ctx, subnet.VCNID)
	if cloud.IsKind(err, cloud.NotFoundOrUnauthorized, cloud.Forbidden) && subnet.CIDR.IsValid() {
		return []netip.Prefix{subnet.CIDR}, nil
	}
	return vcn.CIDRs, err
}

// VerifyBalancer refuses resources of a cluster of another namespace as the place of a load
// balancer. OCI judges everything else.
func VerifyBalancer(ctx context.Context, c existingClient, owner ownership.Owner, spec infrav1.LoadBalancerSpec) error {
	if spec.SubnetID != "" {
		subnet, err := c.GetSubnet(ctx, spec.SubnetID)
		if err != nil {
			return fmt.Errorf("loadBalancer.subnetID: %w", err)
		}
		if owner.IsNeighbours(subnet.Tags) {
			return neighbours("subnet", subnet.Resource)
		}
	}
	for _, id := range spec.NetworkSecurityGroupIDs {
		group, err := c.GetNetworkSecurityGroup(ctx, id)
		if err != nil {
			return fmt.Errorf("loadBalancer.networkSecurityGroupIDs: %w", err)
		}
		if owner.IsNeighbours(group.Tags) {
			return neighbours("network security group", group.Resource)
		}
	}
	return nil
}

func neighbours(kind string, r oci.Resource) error {
	return &cloud.Error{
		Kind: cloud.InvalidRequest, Message: fmt.Sprintf("%s %s is another namespace's: use one of your own", kind, r.ID),
	}
}

func unusable(kind string, r oci.Resource) error {
	return &cloud.Error{
		Kind: cloud.InvalidRequest, Message: fmt.Sprintf("%s %s is %s, not AVAILABLE", kind, r.ID, r.State),
	}
}
