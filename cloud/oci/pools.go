// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/core"
	"github.com/oracle/oci-go-sdk/v65/workrequests"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// StateScaling is an instance pool's state while its size differs from the desired one.
const StateScaling LifecycleState = "SCALING"

// IsBusy tells whether OCI launches or ends instances of the pool. All that may be asked for then
// is the pool's end (OCI documentation, "Instance Pool Lifecycle States").
func (p InstancePool) IsBusy() bool { return p.State == StateScaling || p.State == StateStarting }

// InstancePool keeps a number of instances of one instance configuration.
type InstancePool struct {
	Resource
	// ConfigurationID is the OCID of the instance configuration for new instances.
	ConfigurationID string
	// Size is how many instances the pool should have.
	Size int
	// Placements are where it may launch; a list of pools does not show them.
	Placements []PoolPlacement
	// CreatedAt is OCI's time of its creation.
	CreatedAt time.Time
}

// PoolPlacement is an availability domain for a pool's instances. Without fault domains OCI spreads
// over all as they have room; over named ones evenly, or not at all.
type PoolPlacement struct {
	AvailabilityDomain string
	FaultDomains       []string
	SubnetID           string
}

// PoolSpec is an instance pool to create.
type PoolSpec struct {
	// DisplayName is the end of the names of the pool's instances, as given by OCI: inst-, five
	// random characters, and it.
	DisplayName string
	// ConfigurationID is the OCID of the instance configuration.
	ConfigurationID string
	Placements      []PoolPlacement
	Size            int
	// Tags are free-form. Instances get them, too, unless the configuration has other values.
	Tags map[string]string
	// RetryToken, at most 64 bytes, makes repeated creations with the same spec one, for 24 hours.
	RetryToken string
}

// PoolChange is a change of a pool; nil and empty fields stay as they are. It applies to new
// instances only.
type PoolChange struct {
	ConfigurationID string
	Placements      []PoolPlacement
	Size            *int
}

// GetInstancePool returns the pool. A terminated one is still found, as TERMINATED, for a while.
func (c *Client) GetInstancePool(ctx context.Context, id string) (InstancePool, error) {
	response, err := call(ctx, c, operation{service: serviceCompute, name: "GetInstancePool"}.on(id),
		c.pools.GetInstancePool, core.GetInstancePoolRequest{InstancePoolId: &id})
	if err != nil {
		return InstancePool{}, err
	}
	return instancePool(response.InstancePool), nil
}

// ListInstancePools lists the compartment's pools with all of the tags, TERMINATED ones included.
func (c *Client) ListInstancePools(ctx context.Context, tags map[string]string) ([]InstancePool, error) {
	items, err := listAll(ctx, c, pager[core.ListInstancePoolsRequest, core.ListInstancePoolsResponse, core.InstancePoolSummary]{
		op:      operation{service: serviceCompute, name: "ListInstancePools"},
		do:      c.pools.ListInstancePools,
		request: core.ListInstancePoolsRequest{CompartmentId: &c.compartmentID},
		turn:    func(r *core.ListInstancePoolsRequest, page *string) { r.Page = page },
		read: func(r core.ListInstancePoolsResponse) ([]core.InstancePoolSummary, *string) {
			return r.Items, r.OpcNextPage
		},
	})
	if err != nil {
		return nil, err
	}
	var pools []InstancePool
	for _, item := range items {
		pool := InstancePool{
			Resource:        resource(item.Id, item.DisplayName, item.LifecycleState, item.FreeformTags),
			ConfigurationID: value(item.InstanceConfigurationId), Size: value(item.Size), CreatedAt: timestamp(item.TimeCreated),
		}
		if pool.HasTags(tags) {
			pools = append(pools, pool)
		}
	}
	return pools, nil
}

// CreateInstancePool asks for a pool and returns it as PROVISIONING.
func (c *Client) CreateInstancePool(ctx context.Context, spec PoolSpec) (InstancePool, error) {
	details := core.CreateInstancePoolDetails{
		CompartmentId: &c.compartmentID, InstanceConfigurationId: &spec.ConfigurationID, Size: &spec.Size,
		DisplayName: optional(spec.DisplayName), FreeformTags: spec.Tags,
	}
	for _, placement := range spec.Placements {
		details.PlacementConfigurations = append(details.PlacementConfigurations, core.CreateInstancePoolPlacementConfigurationDetails{
			AvailabilityDomain: &placement.AvailabilityDomain, FaultDomains: placement.FaultDomains,
			PrimaryVnicSubnets: &core.InstancePoolPlacementPrimarySubnet{SubnetId: &placement.SubnetID},
		})
	}
	response, err := call(ctx, c, operation{service: serviceCompute, name: "CreateInstancePool"}, c.pools.CreateInstancePool,
		core.CreateInstancePoolRequest{CreateInstancePoolDetails: details, OpcRetryToken: optional(spec.RetryToken)})
	if err != nil {
		return InstancePool{}, err
	}
	return instancePool(response.InstancePool), nil
}

// UpdateInstancePool changes a pool and returns it.
func (c *Client) UpdateInstancePool(ctx context.Context, own ownership.Proof, change PoolChange) (InstancePool, error) {
	id := own.ID()
	details := core.UpdateInstancePoolDetails{InstanceConfigurationId: optional(change.ConfigurationID), Size: change.Size}
	for _, placement := range change.Placements {
		details.PlacementConfigurations = append(details.PlacementConfigurations, core.UpdateInstancePoolPlacementConfigurationDetails{
			// Without any they are sent as an empty list, which cannot be taken for no change.
			AvailabilityDomain: &placement.AvailabilityDomain, FaultDomains: append([]string{}, placement.FaultDomains...),
			PrimaryVnicSubnets: &core.InstancePoolPlacementPrimarySubnet{SubnetId: &placement.SubnetID},
		})
	}
	response, err := call(ctx, c, operation{service: serviceCompute, name: "UpdateInstancePool"}.on(id), c.pools.UpdateInstancePool,
		core.UpdateInstancePoolRequest{InstancePoolId: &id, UpdateInstancePoolDetails: details})
	if err != nil {
		return InstancePool{}, err
	}
	return instancePool(response.InstancePool), nil
}

// UpdateInstancePoolTag changes one tag of a pool, and returns the pool as it is then. The pool's
// instances keep theirs. OCI's Update calls replace all tags (oci-go-sdk
// core/update_instance_pool_details.go).
func (c *Client) UpdateInstancePoolTag(ctx context.Context, own ownership.Proof, change TagChange) (InstancePool, error) {
	id := own.ID()
	seen, err := call(ctx, c, operation{service: serviceCompute, name: "GetInstancePool"}.on(id),
		c.pools.GetInstancePool, core.GetInstancePoolRequest{InstancePoolId: &id})
	if err != nil {
		return InstancePool{}, err
	}
	op := operation{service: serviceCompute, name: "UpdateInstancePool"}.on(id)
	tags, err := change.apply(op, seen.FreeformTags)
	if err != nil {
		return InstancePool{}, err
	}
	response, err := call(ctx, c, op, c.pools.UpdateInstancePool, core.UpdateInstancePoolRequest{
		InstancePoolId: &id, IfMatch: seen.Etag, UpdateInstancePoolDetails: core.UpdateInstancePoolDetails{FreeformTags: tags},
	})
	if err != nil {
		return InstancePool{}, err
	}
	return instancePool(response.InstancePool), nil
}

// PoolInstances lists the OCIDs of the pool's instances, except those on their way out.
func (c *Client) PoolInstances(ctx context.Context, id string) ([]string, error) {
	items, err := listAll(ctx, c, pager[core.ListInstancePoolInstancesRequest, core.ListInstancePoolInstancesResponse, core.InstanceSummary]{
		op:      operation{service: serviceCompute, name: "ListInstancePoolInstances"}.on(id),
		do:      c.pools.ListInstancePoolInstances,
		request: core.ListInstancePoolInstancesRequest{CompartmentId: &c.compartmentID, InstancePoolId: &id, Limit: new(PageSize)},
		turn:    func(r *core.ListInstancePoolInstancesRequest, page *string) { r.Page = page },
		read: func(r core.ListInstancePoolInstancesResponse) ([]core.InstanceSummary, *string) {
			return r.Items, r.OpcNextPage
		},
	})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, item := range items {
		// The API declares the instance's state as free text here.
		switch LifecycleState(strings.ToUpper(value(item.State))) {
		case StateTerminating, StateTerminated:
		default:
			ids = append(ids, value(item.Id))
		}
	}
	return ids, nil
}

// AllDataVolumeAttachments lists the attachments of all data volumes of the compartment, DETACHED
// ones included: one list for all instances of a pool.
func (c *Client) AllDataVolumeAttachments(ctx context.Context) ([]VolumeAttachment, error) {
	return c.dataVolumeAttachments(ctx, core.ListVolumeAttachmentsRequest{CompartmentId: &c.compartmentID, Limit: new(PageSize)})
}

// DetachInstance takes an instance out of its pool, makes the pool smaller by one and ends the
// instance and its boot volume. Its data volumes stay. The call does not wait for the end.
func (c *Client) DetachInstance(ctx context.Context, pool, own ownership.Proof) error {
	poolID, instanceID, yes := pool.ID(), own.ID(), true
	_, err := call(ctx, c, operation{service: serviceCompute, name: "DetachInstancePoolInstance"}.on(poolID), c.pools.DetachInstancePoolInstance,
		core.DetachInstancePoolInstanceRequest{InstancePoolId: &poolID, DetachInstancePoolInstanceDetails: core.DetachInstancePoolInstanceDetails{
			InstanceId: &instanceID, IsDecrementSize: &yes, IsAutoTerminate: &yes,
		}})
	return err
}

// TerminateInstancePool asks for the end of the pool and of all its instances and their volumes. It
// does not wait for it.
func (c *Client) TerminateInstancePool(ctx context.Context, own ownership.Proof) error {
	id := own.ID()
	_, err := call(ctx, c, operation{service: serviceCompute, name: "TerminateInstancePool"}.on(id), c.pools.TerminateInstancePool,
		core.TerminateInstancePoolRequest{InstancePoolId: &id})
	return err
}

// ScalingFailure looks up why a pool does not reach its desired size, of the same kind as from a
// launch. OCI goes on trying for up to 24 hours, and tells meanwhile by the errors of a request
// that is IN_PROGRESS (kubernetes/autoscaler, oci_instance_pool_cache.go, monitorScalingProgress):
// the newest of those counts, also if a newer request, such as the end of an instance, has none.
// Otherwise it is the newest error of a FAILED request, unless a newer one goes on or has
// succeeded: what failed before is over. failure is nil if there is none.
func (c *Client) ScalingFailure(ctx context.Context, id string) (failure error, err error) {
	items, err := c.workOf(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, item := range slices.Backward(items) {
		if item.Status != workrequests.WorkRequestSummaryStatusInProgress {
			continue
		}
		if failure, err := c.newestFailure(ctx, value(item.Id)); failure != nil || err != nil {
			return failure, err
		}
	}
	for _, item := range slices.Backward(items) {
		switch item.Status {
		case workrequests.WorkRequestSummaryStatusFailed:
			return c.newestFailure(ctx, value(item.Id))
		case workrequests.WorkRequestSummaryStatusInProgress, workrequests.WorkRequestSummaryStatusSucceeded:
			return nil, nil
		}
	}
	return nil, nil
}

// newestFailure is the newest error of a work request; nil if there is none.
func (c *Client) newestFailure(ctx context.Context, id string) (failure error, err error) {
	found, err := c.workRequestFailures(ctx, id)
	if len(found) == 0 || err != nil {
		return nil, err
	}
	return found[len(found)-1], nil
}

func instancePool(p core.InstancePool) InstancePool {
	pool := InstancePool{
		Resource:        resource(p.Id, p.DisplayName, p.LifecycleState, p.FreeformTags),
		ConfigurationID: value(p.InstanceConfigurationId), Size: value(p.Size), CreatedAt: timestamp(p.TimeCreated),
	}
	for _, placement := range p.PlacementConfigurations {
		at := PoolPlacement{
			AvailabilityDomain: value(placement.AvailabilityDomain), FaultDomains: placement.FaultDomains, SubnetID: value(placement.PrimarySubnetId),
		}
		if placement.PrimaryVnicSubnets != nil {
			at.SubnetID = value(placement.PrimaryVnicSubnets.SubnetId)
		}
		pool.Placements = append(pool.Placements, at)
	}
	return pool
}

// Format prints the pool's identifying fields, whatever the verb.
func (s PoolSpec) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "[pool %s of size %d]", s.DisplayName, s.Size)
}
