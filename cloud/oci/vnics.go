// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"net/netip"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// VNIC is an instance's network interface.
type VNIC struct {
	// ID is the OCID.
	ID string
	// SubnetID is its subnet; NSGIDs are the groups filtering its traffic.
	SubnetID string
	NSGIDs   []string
	// PrivateIP is its IPv4 address in the subnet; PublicIP is not valid if there is none.
	PrivateIP, PublicIP netip.Addr
}

// AttachedVNICs lists the OCIDs of the attached VNICs, by instance: of one instance, or of all in
// the compartment if instanceID is empty.
func (c *Client) AttachedVNICs(ctx context.Context, instanceID string) (map[string][]string, error) {
	attachments, err := listAll(ctx, c,
		pager[core.ListVnicAttachmentsRequest, core.ListVnicAttachmentsResponse, core.VnicAttachment]{
			op: operation{service: serviceCompute, name: "ListVnicAttachments"},
			do: c.compute.ListVnicAttachments,
			request: core.ListVnicAttachmentsRequest{
				CompartmentId: &c.compartmentID, InstanceId: optional(instanceID), Limit: new(PageSize),
			},
			turn: func(r *core.ListVnicAttachmentsRequest, page *string) { r.Page = page },
			read: func(r core.ListVnicAttachmentsResponse) ([]core.VnicAttachment, *string) {
				return r.Items, r.OpcNextPage
			},
		})
	if err != nil {
		return nil, err
	}
	attached := map[string][]string{}
	for _, attachment := range attachments {
		if attachment.LifecycleState == core.VnicAttachmentLifecycleStateAttached {
			owner := value(attachment.InstanceId)
			attached[owner] = append(attached[owner], value(attachment.VnicId))
		}
	}
	return attached, nil
}

// PrimaryVNIC finds the primary one of an instance's VNICs: a call, and one more per secondary VNIC
// read first. found is false if none of them is primary, as before an instance is provisioned and
// after it is terminated.
func (c *Client) PrimaryVNIC(ctx context.Context, ids []string) (vnic VNIC, found bool, err error) {
	var unseen error
	for _, id := range ids {
		got, err := call(ctx, c, operation{service: serviceNetwork, name: "GetVnic"}.on(id),
			c.network.GetVnic, core.GetVnicRequest{VnicId: &id})
		switch {
		case cloud.IsKind(err, cloud.NotFoundOrUnauthorized):
			// Detached since the list was made, or not ours to see. It does not matter if another
			// one is the primary.
			unseen = err
		case err != nil:
			return VNIC{}, false, err
		case value(got.IsPrimary):
			return newVNIC(got.Vnic), true, nil
		}
	}
	return VNIC{}, false, unseen
}

func newVNIC(v core.Vnic) VNIC {
	return VNIC{
		ID: value(v.Id), SubnetID: value(v.SubnetId), NSGIDs: v.NsgIds,
		PrivateIP: address(v.PrivateIp), PublicIP: address(v.PublicIp),
	}
}
