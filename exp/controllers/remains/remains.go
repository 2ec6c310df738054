// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package remains takes away what is left of a pool's instances, for the pool and for each of its machines.
//
// It may import api, cloud/* and controllers/devices.
package remains

import (
	"context"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/devices"
)

// EndInstance asks for the end of an instance that was seen, unless that was done; gone says that it is TERMINATED.
func EndInstance(ctx context.Context, c *oci.Client, seen oci.Instance) (gone bool, err error) {
	removal, err := instance.End(ctx, c, seen)
	return removal.Gone, err
}

// LeaveTailnet removes the device of an instance that no object stands for: it has the instance's
// hostname and the pool's tags, and was made when the instance was, and there is but one. Devices
// that are not proven stay.
func LeaveTailnet(
	ctx context.Context, c *tailnet.Client, statuses devices.Statuses, pool devices.Claimant, claim ownership.DeviceClaim,
) error {
	list, err := c.RecentDevices(ctx, 0)
	if err != nil {
		return err
	}
	found, err := statuses.Find(ctx, c, list, pool, claim)
	if err != nil {
		return err
	}
	return devices.Leave(ctx, c, found, nil, pool.Object)
}

// RemoveVolumes deletes data volumes that have the pool's tag: those of the OCIDs, or all if ids is nil. OCI keeps them when an
// instance is detached from its pool. gone says that none is left.
func RemoveVolumes(ctx context.Context, c *oci.Client, poolUID string, ids []string) (gone bool, err error) {
	volumes, err := c.DataVolumes(ctx)
	if err != nil {
		return false, err
	}
	gone = true
	for _, volume := range volumes {
		if volume.Tags[infrav1.MachinePoolUIDTag] != poolUID || (ids != nil && !slices.Contains(ids, volume.ID)) {
			continue
		}
		gone = false
		if volume.State != oci.StateAvailable {
			continue
		}
		err := c.DeleteVolume(ctx, volume)
		if err != nil && !cloud.IsKind(err, cloud.Conflict, cloud.NotFoundOrUnauthorized) {
			return false, err
		}
	}
	return gone, nil
}
