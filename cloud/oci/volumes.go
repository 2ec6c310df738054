// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// Volume is a block volume or a boot volume.
type Volume struct {
	Resource
	// Boot tells the two apart: they are deleted by different calls.
	Boot bool
	// AvailabilityDomain of the volume.
	AvailabilityDomain string
	// GB is the size, in units of 2^30 bytes.
	GB int64
}

// VolumeAttachment is a present, past or coming attachment of a data volume to an instance.
type VolumeAttachment struct {
	// VolumeID is the OCID of the volume.
	VolumeID string
	// InstanceID is the OCID of the instance.
	InstanceID string
	// Device is the volume's device path on the instance; may be empty.
	Device string
	// State is ATTACHING, ATTACHED, DETACHING or DETACHED.
	State LifecycleState
}

// volumeStates are those of existing volumes, in the order of a volume's life: one that goes on to
// the next state while they are listed one after the other is in one of the lists.
var volumeStates = []core.VolumeLifecycleStateEnum{
	core.VolumeLifecycleStateProvisioning, core.VolumeLifecycleStateRestoring, core.VolumeLifecycleStateAvailable,
	core.VolumeLifecycleStateFaulty, core.VolumeLifecycleStateTerminating,
}

// DataVolumes lists the compartment's block volumes, except TERMINATED ones: OCI lists those for
// weeks, so that one list of all would grow with every machine ever made. The filter takes one
// state.
func (c *Client) DataVolumes(ctx context.Context) ([]Volume, error) {
	var volumes []Volume
	place := map[string]int{}
	for _, state := range volumeStates {
		items, err := listAll(ctx, c, pager[core.ListVolumesRequest, core.ListVolumesResponse, core.Volume]{
			op:      operation{service: serviceBlockstorage, name: "ListVolumes"},
			do:      c.blockstorage.ListVolumes,
			request: core.ListVolumesRequest{CompartmentId: &c.compartmentID, Limit: new(PageSize), LifecycleState: state},
			turn:    func(r *core.ListVolumesRequest, page *string) { r.Page = page },
			read:    func(r core.ListVolumesResponse) ([]core.Volume, *string) { return r.Items, r.OpcNextPage },
		})
		if err != nil {
			return nil, err
		}
		for _, v := range items {
			if v.LifecycleState == core.VolumeLifecycleStateTerminated {
				continue
			}
			volume := dataVolume(v)
			if at, known := place[volume.ID]; known {
				volumes[at] = volume
				continue
			}
			place[volume.ID] = len(volumes)
			volumes = append(volumes, volume)
		}
	}
	return volumes, nil
}

// bootVolumes lists the boot volumes of an availability domain, except TERMINATED ones.
func (c *Client) bootVolumes(ctx context.Context, availabilityDomain string) ([]Volume, error) {
	items, err := listAll(ctx, c, pager[core.ListBootVolumesRequest, core.ListBootVolumesResponse, core.BootVolume]{
		op: operation{service: serviceBlockstorage, name: "ListBootVolumes"},
		do: c.blockstorage.ListBootVolumes,
		request: core.ListBootVolumesRequest{
			CompartmentId: &c.compartmentID, AvailabilityDomain: &availabilityDomain, Limit: new(PageSize),
		},
		turn: func(r *core.ListBootVolumesRequest, page *string) { r.Page = page },
		read: func(r core.ListBootVolumesResponse) ([]core.BootVolume, *string) { return r.Items, r.OpcNextPage },
	})
	var volumes []Volume
	for _, v := range items {
		// OCI has no filter for the state of boot volumes.
		if v.LifecycleState != core.BootVolumeLifecycleStateTerminated {
			volumes = append(volumes, bootVolume(v))
		}
	}
	return volumes, err
}

// bootVolumeAttachments lists the attachments of all boot volumes in an availability domain,
// DETACHED ones included.
func (c *Client) bootVolumeAttachments(ctx context.Context, availabilityDomain string) ([]core.BootVolumeAttachment, error) {
	return listAll(ctx, c,
		pager[core.ListBootVolumeAttachmentsRequest, core.ListBootVolumeAttachmentsResponse, core.BootVolumeAttachment]{
			op: operation{service: serviceCompute, name: "ListBootVolumeAttachments"},
			do: c.compute.ListBootVolumeAttachments,
			request: core.ListBootVolumeAttachmentsRequest{
				CompartmentId: &c.compartmentID, AvailabilityDomain: &availabilityDomain, Limit: new(PageSize),
			},
			turn: func(r *core.ListBootVolumeAttachmentsRequest, page *string) { r.Page = page },
			read: func(r core.ListBootVolumeAttachmentsResponse) ([]core.BootVolumeAttachment, *string) {
				return r.Items, r.OpcNextPage
			},
		})
}

// DataVolumeAttachments lists the attachments of an instance's data volumes, DETACHED ones
// included. OCI keeps them for a while after the instance is terminated, so they lead to the
// volumes left behind.
func (c *Client) DataVolumeAttachments(ctx context.Context, instanceID string) ([]VolumeAttachment, error) {
	return c.dataVolumeAttachments(ctx, core.ListVolumeAttachmentsRequest{
		CompartmentId: &c.compartmentID, InstanceId: &instanceID, Limit: new(PageSize),
	})
}

func (c *Client) dataVolumeAttachments(ctx context.Context, request core.ListVolumeAttachmentsRequest) ([]VolumeAttachment, error) {
	items, err := listAll(ctx, c,
		pager[core.ListVolumeAttachmentsRequest, core.ListVolumeAttachmentsResponse, core.VolumeAttachment]{
			op:      operation{service: serviceCompute, name: "ListVolumeAttachments"},
			do:      c.compute.ListVolumeAttachments,
			request: request,
			turn:    func(r *core.ListVolumeAttachmentsRequest, page *string) { r.Page = page },
			read: func(r core.ListVolumeAttachmentsResponse) ([]core.VolumeAttachment, *string) {
				return r.Items, r.OpcNextPage
			},
		})
	if err != nil {
		return nil, err
	}
	var attachments []VolumeAttachment
	for _, item := range items {
		// An attachment of a type unknown to the SDK decodes to nothing.
		if item == nil {
			continue
		}
		attachments = append(attachments, VolumeAttachment{
			VolumeID: value(item.GetVolumeId()), InstanceID: value(item.GetInstanceId()), Device: value(item.GetDevice()),
			State: LifecycleState(item.GetLifecycleState()),
		})
	}
	return attachments, nil
}

// DeleteDataVolume deletes a data volume.
func (c *Client) DeleteDataVolume(ctx context.Context, own ownership.Proof) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceBlockstorage, name: "DeleteVolume"}.on(id),
		c.blockstorage.DeleteVolume, core.DeleteVolumeRequest{VolumeId: &id})
	return err
}

// DeleteBootVolume deletes a boot volume.
func (c *Client) DeleteBootVolume(ctx context.Context, own ownership.Proof) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceBlockstorage, name: "DeleteBootVolume"}.on(id),
		c.blockstorage.DeleteBootVolume, core.DeleteBootVolumeRequest{BootVolumeId: &id})
	return err
}
