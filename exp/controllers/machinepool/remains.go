// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"slices"
	"time"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/remains"
)

// settlingPasses is for how many intervals of progress a search without result is repeated: a list
// of OCI's may not show yet what was just made.
const settlingPasses = 3

// ownPool is an instance pool that is proven to be the machine pool's.
type ownPool struct {
	oci.InstancePool
	proof ownership.Proof
}

// remains takes away what outlived pool and machines: instances that were never seen or left the
// pool, their devices, volumes and configurations.
func (r *Reconciler) remains(ctx context.Context, s *scope) error {
	all, err := s.client.ListInstances(ctx)
	if err != nil {
		return err
	}
	own := instance.Of(s.owner, all)
	if ids := staying(own); len(ids) > 0 && !remains.IsRecent(s.own.Status.Leaving, s.now) {
		if written, err := s.recordLeaving(ctx, ids); err != nil || written {
			return err
		}
	}
	for _, one := range own {
		removal, err := instance.End(ctx, s.client, one.Proof, one.State)
		if err != nil {
			return err
		}
		if !removal.Gone {
			return access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for instance %s, which is %s, to be TERMINATED", one.ID, one.State)
		}
		if s.joins != nil {
			claim, orphaned := s.deviceClaim(one.Instance)
			if !orphaned {
				continue
			}
			of := tailnetnode.Claimant{Object: s.own, Tailnet: s.tailnet.Name}
			found, err := r.Devices.FindToRemove(ctx, s.joins, of, claim, 0)
			if err != nil {
				return err
			}
			if err := tailnetnode.Leave(ctx, s.joins, found, nil, s.own); err != nil {
				return err
			}
		}
	}
	if err := s.removeVolumes(ctx, own); err != nil {
		return err
	}
	return s.deleteConfigurationsBut(ctx, "")
}

// removeVolumes deletes the recorded data volumes that OCI has left, and tells of others with the
// pool's tags.
func (s *scope) removeVolumes(ctx context.Context, instances []instance.Own) error {
	volumes := remains.Volumes{Told: func(v oci.Volume) bool { return v.HasTags(s.owner.Tags()) }}
	for i := range s.own.Status.Leaving.VolumeIDs {
		volumes.Own = append(volumes.Own, ownership.Recorded(s.own.Status.Leaving.VolumeIDs[i]))
	}
	for _, own := range instances {
		volumes.Instances = append(volumes.Instances, own.ID)
	}
	gone, left, err := remains.RemoveVolumes(ctx, s.client, volumes)
	if err != nil {
		return err
	}
	if !gone {
		return access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for data volumes of the pool to be gone")
	}
	s.left = left
	return nil
}

// joinTimeout bounds for how long after its launch an instance is looked for in the tailnet.
const joinTimeout = 20 * time.Minute

// deviceClaim is what is known of the device of an instance of the pool. orphaned says that no
// object stood for the instance: an object has removed the device, and what has its name now is
// somebody else's.
func (s *scope) deviceClaim(instance oci.Instance) (claim ownership.DeviceClaim, orphaned bool) {
	orphaned = !slices.ContainsFunc(s.own.Status.Instances, func(i expv1.PoolInstanceStatus) bool {
		return i.ProviderID == cloud.ProviderID(instance.ID)
	})
	return ownership.DeviceClaim{
		Hostname: cloudinit.InstanceHostname(s.prefix, instance.ID), Tags: s.tailnet.Spec.NodeTags,
		Launched: instance.CreatedAt, JoinTimeout: joinTimeout,
	}, orphaned
}
