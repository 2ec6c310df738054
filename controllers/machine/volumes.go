// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/feed"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// recordVolumes writes down which data volumes go with an instance, before its end is asked for:
// OCI takes no tags for a volume that is made with its instance, and a display name proves nothing.
// What was detached by then stays. recorded is false while the record is not written.
func (r *Reconciler) recordVolumes(
	ctx context.Context, s *scope, c *oci.Client, book *feed.Book, own ownership.Proof,
) (recorded bool, err error) {
	names, leaving := s.volumeNames(), &s.own.Status.Leaving
	if len(names) == 0 || slices.Contains(leaving.InstanceIDs, own.ID()) {
		return true, nil
	}
	if seen, known := book.Instance(own.ID()); known && seen.Listed && seen.State.IsEnding() {
		// It ends already, by somebody else's doing or by a pass whose record was lost: nothing
		// tells its volumes apart any more.
		return true, nil
	}
	volumes, err := instance.Leaving(ctx, c, own, names, s.now, s.Intervals.Progress/2)
	if err != nil {
		return false, err
	}
	leaving.InstanceIDs = append(leaving.InstanceIDs, own.ID())
	leaving.VolumeIDs = append(leaving.VolumeIDs, volumes...)
	if len(volumes) == 0 {
		return true, nil
	}
	s.Deletion = access.NewProblem(infrav1.WaitingForTerminationReason, "Recording the volumes of instance %s before it is ended", own.ID())
	s.Requeue(time.Second)
	return false, nil
}

// leaving are the recorded data volumes.
func (s *scope) leaving() []ownership.Proof {
	var proofs []ownership.Proof
	for _, id := range s.own.Status.Leaving.VolumeIDs {
		proofs = append(proofs, ownership.Recorded(id))
	}
	return proofs
}

func (s *scope) volumeNames() []string {
	names := make([]string, 0, len(s.own.Spec.DataVolumes))
	for _, volume := range s.own.Spec.DataVolumes {
		names = append(names, instance.VolumeName(s.hostname, volume.Name))
	}
	return names
}

// tellVolumesLeft names the data volumes that bear the names of the machine's and were not
// recorded: they stay. Failing to look is no reason to keep the machine.
func (r *Reconciler) tellVolumesLeft(ctx context.Context, s *scope, account string) {
	names := s.volumeNames()
	if len(names) == 0 {
		return
	}
	c, _, err := r.accountOf(ctx, account)
	if err != nil {
		return
	}
	volumes, err := c.DataVolumesSince(ctx, s.now, s.Intervals.Progress)
	if err != nil {
		return
	}
	var left []string
	for _, volume := range volumes {
		if slices.Contains(names, volume.DisplayName) && !slices.Contains(s.own.Status.Leaving.VolumeIDs, volume.ID) {
			left = append(left, volume.ID)
		}
	}
	if len(left) > 0 && r.Recorder != nil {
		r.Recorder.Eventf(s.own, nil, corev1.EventTypeWarning, "VolumesLeft", "Delete",
			"Volumes %s in account %s were not attached when the instance's end was asked for, and stay: remove each that nobody needs with "+
				"oci bv volume delete --volume-id", strings.Join(left, ", "), account)
	}
}
