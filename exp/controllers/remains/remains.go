// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package remains takes away what is left of a pool's instances, for the pool and for each of its machines.
//
// It may import api and cloud/*.
package remains

import (
	"context"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// EndInstance asks for the end of an instance that was seen, unless that was done; gone says that it is TERMINATED.
func EndInstance(ctx context.Context, c *oci.Client, seen oci.Instance) (gone bool, err error) {
	removal, err := instance.End(ctx, c, seen)
	return removal.Gone, err
}

// LeaveTailnet deletes the devices of a name. A device without tags is a person's that happens to have the name.
func LeaveTailnet(ctx context.Context, c *tailnet.Client, hostname string) error {
	devices, err := c.FindDevice(ctx, hostname)
	if err != nil {
		return err
	}
	for _, device := range devices {
		if len(device.Tags) == 0 {
			continue
		}
		if err := c.DeleteDevice(ctx, device.ID); err != nil {
			return err
		}
	}
	return nil
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
