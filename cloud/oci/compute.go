// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// Instance is a virtual or bare-metal machine.
type Instance struct {
	Resource
	// AvailabilityDomain and FaultDomain are where it runs.
	AvailabilityDomain, FaultDomain string
	// Shape is its shape's name.
	Shape string
	// OCPUs and MemoryGB are its size; 1 OCPU is two threads on x86 and one core on Arm.
	OCPUs, MemoryGB float64
	// ImageID is the OCID of the image it was launched from.
	ImageID string
	// CreatedAt is OCI's time of the launch.
	CreatedAt time.Time
	// WorkRequestID follows the launch; set by LaunchInstance only.
	WorkRequestID string
}

// GetInstance returns the instance. A terminated one is still found, as TERMINATED, for about an
// hour.
func (c *Client) GetInstance(ctx context.Context, id string) (Instance, error) {
	response, err := call(ctx, c, operation{service: serviceCompute, name: "GetInstance"}.on(id),
		c.compute.GetInstance, core.GetInstanceRequest{InstanceId: &id})
	if err != nil {
		return Instance{}, err
	}
	return instance(response.Instance), nil
}

// ListInstances lists all instances of the compartment, TERMINATED ones included.
func (c *Client) ListInstances(ctx context.Context) ([]Instance, error) {
	items, err := listAll(ctx, c, pager[core.ListInstancesRequest, core.ListInstancesResponse, core.Instance]{
		op:      operation{service: serviceCompute, name: "ListInstances"},
		do:      c.compute.ListInstances,
		request: core.ListInstancesRequest{CompartmentId: &c.compartmentID, Limit: new(instancePageSize)},
		turn:    func(r *core.ListInstancesRequest, page *string) { r.Page = page },
		read:    func(r core.ListInstancesResponse) ([]core.Instance, *string) { return r.Items, r.OpcNextPage },
	})
	if err != nil {
		return nil, err
	}
	instances := make([]Instance, 0, len(items))
	for _, item := range items {
		instances = append(instances, instance(item))
	}
	return instances, nil
}

// TerminateInstance asks for the end of the instance, of its boot volume and of the data volumes
// created with it. It does not wait for it.
func (c *Client) TerminateInstance(ctx context.Context, own ownership.Proof) error {
	id := own.ID()
	no := false
	_, err := call(ctx, c, operation{service: serviceCompute, name: "TerminateInstance"}.on(id), c.compute.TerminateInstance,
		core.TerminateInstanceRequest{InstanceId: &id, PreserveBootVolume: &no, PreserveDataVolumesCreatedAtLaunch: &no})
	return err
}

func instance(i core.Instance) Instance {
	out := Instance{
		Resource:           resource(i.Id, i.DisplayName, i.LifecycleState, i.FreeformTags),
		AvailabilityDomain: value(i.AvailabilityDomain),
		FaultDomain:        value(i.FaultDomain),
		Shape:              value(i.Shape),
		ImageID:            value(i.ImageId),
		CreatedAt:          timestamp(i.TimeCreated),
	}
	if i.ShapeConfig != nil {
		out.OCPUs = float64(value(i.ShapeConfig.Ocpus))
		out.MemoryGB = float64(value(i.ShapeConfig.MemoryInGBs))
	}
	if source, ok := i.SourceDetails.(core.InstanceSourceViaImageDetails); ok && source.ImageId != nil {
		out.ImageID = *source.ImageId
	}
	return out
}
