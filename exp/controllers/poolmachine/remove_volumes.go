// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/remains"
)

// removeVolumes deletes the recorded data volumes, left behind by a detached instance, and tells of
// the instance's others.
func (r *Reconciler) removeVolumes(ctx context.Context, s *scope) error {
	if s.proof.IsZero() {
		return nil
	}
	attachments, err := s.client.DataVolumeAttachments(ctx, s.proof.ID())
	if err != nil {
		return access.NotProvenGone(err)
	}
	volumes := remains.Volumes{Instances: []string{s.proof.ID()}, Told: s.wasOwn(attachments)}
	for i := range s.own.Status.Leaving.VolumeIDs {
		volumes.Own = append(volumes.Own, ownership.Recorded(s.own.Status.Leaving.VolumeIDs[i]))
	}
	if len(volumes.Own)+len(attachments) == 0 {
		return nil
	}
	gone, left, err := remains.RemoveVolumes(ctx, s.client, volumes)
	if err != nil {
		return access.NotProvenGone(err)
	}
	if !gone {
		return access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for the data volumes of instance %s to be gone", s.proof.ID())
	}
	s.left = left
	return nil
}

// mark is what the instance's data volumes are tagged with; nil if nothing tells.
func (s *scope) mark() map[string]string {
	var mark map[string]string
	if s.instance != nil {
		mark = remains.Mark(s.instance.Tags)
	}
	if mark == nil && s.pool != nil {
		mark = poolid.Owner(s.pool).Tags()
	}
	return mark
}

// wasOwn tells whether a volume was made with the instance. One taken along by the end of the whole
// pool is nobody's concern here.
func (s *scope) wasOwn(attachments []oci.VolumeAttachment) func(oci.Volume) bool {
	mark := s.mark()
	return func(volume oci.Volume) bool {
		attached := slices.ContainsFunc(attachments, func(a oci.VolumeAttachment) bool { return a.VolumeID == volume.ID })
		withPool := s.pool != nil && slices.Contains(s.pool.Status.Leaving.VolumeIDs, volume.ID)
		return attached && !withPool && len(mark) > 0 && volume.HasTags(mark)
	}
}
