// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
)

// release lets the object go: it stands for nothing any more.
func (r remover) release(ctx context.Context, s *scope) error {
	s.released = true
	slices.Sort(s.endedIn)
	for _, account := range slices.Compact(s.endedIn) {
		left := r.finder.VolumesLeft(ctx, account, s.volumeNames(), s.own.Status.Leaving, s.now, s.Intervals.Progress)
		if len(left) > 0 && s.recorder != nil {
			s.recorder.Eventf(s.own, nil, corev1.EventTypeWarning, "VolumesLeft", "Delete",
				"Volumes %s in account %s were not attached when the instance's end was asked for, and stay: remove each that nobody needs with "+
					"oci bv volume delete --volume-id", strings.Join(left, ", "), account)
		}
	}
	r.creations.forget(client.ObjectKeyFromObject(s.own))
	r.claims.Forget(s.own.Status.Instance.ID)
	ctrl.LoggerFrom(ctx).Info("Deleted the machine's instance, volumes and device")
	return nil
}

// volumeNames are the display names of the machine's data volumes.
func (s *scope) volumeNames() []string {
	names := make([]string, 0, len(s.own.Spec.DataVolumes))
	for _, volume := range s.own.Spec.DataVolumes {
		names = append(names, instance.VolumeName(s.hostname, volume.Name))
	}
	return names
}
