// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// SecurityList filters the traffic of whole subnets, beside the network security groups of VNICs:
// traffic passes if either admits it. A VCN's default list admits SSH from everywhere.
type SecurityList struct {
	Resource
	VCNID string
	// IngressRules and EgressRules are their numbers.
	IngressRules, EgressRules int
}

// GetSecurityList returns the security list.
func (c *Client) GetSecurityList(ctx context.Context, id string) (SecurityList, error) {
	response, err := call(ctx, c, operation{service: serviceNetwork, name: "GetSecurityList"}.on(id),
		c.network.GetSecurityList, core.GetSecurityListRequest{SecurityListId: &id})
	list := response.SecurityList
	return SecurityList{
		Resource: resource(list.Id, list.DisplayName, list.LifecycleState, list.FreeformTags), VCNID: value(list.VcnId),
		IngressRules: len(list.IngressSecurityRules), EgressRules: len(list.EgressSecurityRules),
	}, err
}

// ClearSecurityList removes all rules, so network security groups alone decide. A VCN's default
// list cannot be deleted, and applies to every subnet without a list.
func (c *Client) ClearSecurityList(ctx context.Context, own ownership.Proof) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceNetwork, name: "UpdateSecurityList"}.on(id), c.network.UpdateSecurityList,
		core.UpdateSecurityListRequest{SecurityListId: &id, UpdateSecurityListDetails: core.UpdateSecurityListDetails{
			IngressSecurityRules: []core.IngressSecurityRule{},
			EgressSecurityRules:  []core.EgressSecurityRule{},
		}})
	return err
}
