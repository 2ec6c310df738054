// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/remains"
)

// recordVolumes records, before the end is asked for, the data volumes to go with the instance, and
// ends the pass. It records them again if the end is not under way for long: somebody may have
// detached a volume meanwhile, to rescue it.
func (r *Reconciler) recordVolumes(ctx context.Context, s *scope) error {
	if s.proof.IsZero() || s.ended() || s.instance.State == oci.StateTerminating || remains.IsRecent(s.own.Status.Leaving, s.now) {
		return nil
	}
	attachments, err := s.client.DataVolumeAttachments(ctx, s.proof.ID())
	if err != nil {
		return access.NotProvenGone(err)
	}
	leaving, err := remains.Leaving(ctx, s.client, attachments, []string{s.proof.ID()}, s.mark(), s.now)
	if err != nil {
		return access.NotProvenGone(err)
	}
	known := remains.IsKnown(s.own.Status.Leaving, leaving)
	s.own.Status.Leaving = leaving
	if known {
		return nil
	}
	s.Deletion = access.NewProblem(infrav1.WaitingForTerminationReason, "Recorded %d data volumes that go with instance %s",
		len(leaving.VolumeIDs), s.proof.ID())
	s.Stop()
	s.Requeue(time.Second)
	return nil
}

// ended tells whether the instance is gone.
func (s *scope) ended() bool { return s.instance == nil || s.instance.State == oci.StateTerminated }
