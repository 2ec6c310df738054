// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"maps"
	"slices"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

const operationUpdate = "UpdateInstance"

// UpdateInstanceTags sets free-form tags of an instance and takes others away, and leaves the rest.
// It returns the instance as it is then. It is refused with cloud.Conflict if the instance has
// changed between the read and the change: the call replaces all tags (oci-go-sdk
// core/update_instance_details.go).
func (c *Client) UpdateInstanceTags(ctx context.Context, own ownership.Proof, set map[string]string, remove []string) (Instance, error) {
	id := own.ID()
	seen, err := call(ctx, c, operation{service: serviceCompute, name: "GetInstance"}.on(id),
		c.compute.GetInstance, core.GetInstanceRequest{InstanceId: &id})
	if err != nil {
		return Instance{}, err
	}
	tags := maps.Clone(seen.FreeformTags)
	if tags == nil {
		tags = map[string]string{}
	}
	for _, name := range remove {
		delete(tags, name)
	}
	maps.Copy(tags, set)
	updated, err := call(ctx, c, operation{service: serviceCompute, name: operationUpdate}.on(id), c.compute.UpdateInstance,
		core.UpdateInstanceRequest{InstanceId: &id, IfMatch: seen.Etag, UpdateInstanceDetails: core.UpdateInstanceDetails{FreeformTags: tags}})
	if err != nil {
		return Instance{}, err
	}
	return instance(updated.Instance), nil
}

// ResizeInstance asks for other OCPUs and memory of a flexible shape. OCI restarts a running
// instance for it (oci-go-sdk core/update_instance_details.go). Calls with one retry token are one,
// for 24 hours.
func (c *Client) ResizeInstance(
	ctx context.Context, own ownership.Proof, ocpus, memoryGB float64, retryToken string,
) (workRequestID string, err error) {
	id := own.ID()
	response, err := call(ctx, c, operation{service: serviceCompute, name: operationUpdate}.on(id), c.compute.UpdateInstance,
		core.UpdateInstanceRequest{
			InstanceId: &id, OpcRetryToken: &retryToken,
			UpdateInstanceDetails: core.UpdateInstanceDetails{
				ShapeConfig: &core.UpdateInstanceShapeConfigDetails{
					Ocpus: optional(float32(ocpus)), MemoryInGBs: optional(float32(memoryGB)),
				},
				UpdateOperationConstraint: core.UpdateInstanceDetailsUpdateOperationConstraintAllowDowntime,
			},
		})
	return value(response.OpcWorkRequestId), err
}

// BootVolumeAt returns the boot volume of an instance. found is false if it has none.
func (c *Client) BootVolumeAt(ctx context.Context, availabilityDomain, instanceID string) (volume Volume, found bool, err error) {
	items, err := listAll(ctx, c,
		pager[core.ListBootVolumeAttachmentsRequest, core.ListBootVolumeAttachmentsResponse, core.BootVolumeAttachment]{
			op: operation{service: serviceCompute, name: "ListBootVolumeAttachments"},
			do: c.compute.ListBootVolumeAttachments,
			request: core.ListBootVolumeAttachmentsRequest{
				CompartmentId: &c.compartmentID, AvailabilityDomain: &availabilityDomain, InstanceId: &instanceID, Limit: new(PageSize),
			},
			turn: func(r *core.ListBootVolumeAttachmentsRequest, page *string) { r.Page = page },
			read: func(r core.ListBootVolumeAttachmentsResponse) ([]core.BootVolumeAttachment, *string) {
				return r.Items, r.OpcNextPage
			},
		})
	if err != nil {
		return Volume{}, false, err
	}
	for _, item := range items {
		if item.LifecycleState != core.BootVolumeAttachmentLifecycleStateAttached {
			continue
		}
		id := value(item.BootVolumeId)
		seen, err := call(ctx, c, operation{service: serviceBlockstorage, name: "GetBootVolume"}.on(id),
			c.blockstorage.GetBootVolume, core.GetBootVolumeRequest{BootVolumeId: &id})
		if err != nil {
			return Volume{}, false, err
		}
		return bootVolume(seen.BootVolume), true, nil
	}
	return Volume{}, false, nil
}

// GrowBootVolume makes a boot volume larger; no call makes one smaller.
func (c *Client) GrowBootVolume(ctx context.Context, own ownership.Proof, gb int64) (Volume, error) {
	id := own.ID()
	updated, err := call(ctx, c, operation{service: serviceBlockstorage, name: "UpdateBootVolume"}.on(id), c.blockstorage.UpdateBootVolume,
		core.UpdateBootVolumeRequest{BootVolumeId: &id, UpdateBootVolumeDetails: core.UpdateBootVolumeDetails{SizeInGBs: &gb}})
	if err != nil {
		return Volume{}, err
	}
	return bootVolume(updated.BootVolume), nil
}

// AttachedVolumes returns the data volumes that are attached to an instance as one of the devices,
// by their display names.
func (c *Client) AttachedVolumes(ctx context.Context, instanceID string, devices []string) (map[string]Volume, error) {
	attached, err := c.DataVolumeAttachments(ctx, instanceID)
	if err != nil {
		return nil, err
	}
	volumes := map[string]Volume{}
	for _, attachment := range attached {
		if attachment.State != StateAttached || !slices.Contains(devices, attachment.Device) {
			continue
		}
		id := attachment.VolumeID
		seen, err := call(ctx, c, operation{service: serviceBlockstorage, name: "GetVolume"}.on(id),
			c.blockstorage.GetVolume, core.GetVolumeRequest{VolumeId: &id})
		if err != nil {
			return nil, err
		}
		volumes[value(seen.DisplayName)] = dataVolume(seen.Volume)
	}
	return volumes, nil
}

// GrowDataVolume makes a data volume larger; no call makes one smaller.
func (c *Client) GrowDataVolume(ctx context.Context, own ownership.Proof, gb int64) (Volume, error) {
	id := own.ID()
	updated, err := call(ctx, c, operation{service: serviceBlockstorage, name: "UpdateVolume"}.on(id), c.blockstorage.UpdateVolume,
		core.UpdateVolumeRequest{VolumeId: &id, UpdateVolumeDetails: core.UpdateVolumeDetails{SizeInGBs: &gb}})
	if err != nil {
		return Volume{}, err
	}
	return dataVolume(updated.Volume), nil
}

// Work is the progress of a work request.
type Work struct {
	// Done is set once it has ended, well or not.
	Done bool
	// Failure is why it has failed.
	Failure *cloud.Error
}

// WorkOf looks how far a work request for an instance is.
func (c *Client) WorkOf(ctx context.Context, id string) (Work, error) {
	seen, err := call(ctx, c, operation{service: serviceWorkRequests, name: "GetWorkRequest"}.on(id),
		c.workRequests.GetWorkRequest, workrequests.GetWorkRequestRequest{WorkRequestId: &id})
	if err != nil {
		return Work{}, err
	}
	switch seen.Status {
	case workrequests.WorkRequestStatusSucceeded:
		return Work{Done: true}, nil
	case workrequests.WorkRequestStatusFailed, workrequests.WorkRequestStatusCanceled:
		failure, err := c.workRequestFailure(ctx, id)
		if err != nil && ReasonUntold(err) == "" {
			return Work{}, err
		}
		if failure == nil {
			failure = &cloud.Error{
				Kind: cloud.Unavailable, Service: serviceCompute,
				Message: "the work request is " + string(seen.Status) + " without an error",
			}
		}
		failure.Operation = cloud.Scrub(value(seen.OperationType))
		return Work{Done: true, Failure: failure}, nil
	}
	return Work{}, nil
}

func dataVolume(v core.Volume) Volume {
	return Volume{
		Resource:           resource(v.Id, v.DisplayName, v.LifecycleState, v.FreeformTags),
		AvailabilityDomain: value(v.AvailabilityDomain), GB: value(v.SizeInGBs),
	}
}

func bootVolume(v core.BootVolume) Volume {
	return Volume{
		Resource: resource(v.Id, v.DisplayName, v.LifecycleState, v.FreeformTags), Boot: true,
		AvailabilityDomain: value(v.AvailabilityDomain), GB: value(v.SizeInGBs),
	}
}
