// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"slices"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/remains"
)

// recordVolumes records, before the end of the pool is asked for, which data volumes go with it,
// and ends the pass. It is done anew if the end is not under way for long: somebody may have
// detached a volume meanwhile, to rescue it.
func (r *Reconciler) recordVolumes(ctx context.Context, s *scope) error {
	leaving := &s.own.Status.Leaving
	stays := slices.ContainsFunc(s.pools, func(p ownPool) bool { return !p.State.IsEnding() })
	if remains.IsRecent(*leaving, s.now) || !leaving.RecordedAt.IsZero() && !stays {
		return nil
	}
	all, err := s.client.ListInstances(ctx)
	if err != nil {
		return err
	}
	_, err = s.recordLeaving(ctx, staying(instance.Of(s.owner, all)))
	return err
}

// staying are the OCIDs of the instances that are not about to go.
func staying(instances []instance.Own) []string {
	var ids []string
	for _, own := range instances {
		if !own.State.IsEnding() {
			ids = append(ids, own.ID)
		}
	}
	return ids
}

// recordLeaving records the data volumes that go with the instances, and ends the pass if that is
// anything new.
func (s *scope) recordLeaving(ctx context.Context, ids []string) (written bool, err error) {
	var attachments []oci.VolumeAttachment
	if len(ids) > 0 {
		if attachments, err = s.client.AllDataVolumeAttachments(ctx); err != nil {
			return false, err
		}
	}
	recorded, err := remains.Leaving(ctx, s.client, attachments, ids, s.owner.Tags(), s.now)
	if err != nil {
		return false, err
	}
	known := remains.IsKnown(s.own.Status.Leaving, recorded)
	s.own.Status.Leaving = recorded
	if known {
		return false, nil
	}
	s.Deletion = access.NewProblem(infrav1.WaitingForTerminationReason, "Recorded %d data volumes that go with the pool", len(recorded.VolumeIDs))
	s.Stop()
	s.Requeue(time.Second)
	return true, nil
}
