// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instance

import (
	"context"
	"slices"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// attacher shows the attachments of instances.
type attacher interface {
	DataVolumeAttachments(ctx context.Context, instanceID string) ([]oci.VolumeAttachment, error)
	DataVolumesSince(ctx context.Context, since time.Time, age time.Duration) ([]oci.Volume, error)
}

var _ attacher = (*oci.Client)(nil)

// OnDevice is the data volume at the position in the spec, of those that are attached under its
// name: the only one, or of several the one on the device that it was launched on. Somebody may
// have a copy of it beside it.
func OnDevice[V any](position int, named []V, device func(V) string) (volume V, found bool) {
	if len(named) == 1 {
		return named[0], true
	}
	at := slices.IndexFunc(named, func(v V) bool { return device(v) == Device(position) })
	if at < 0 {
		return volume, false
	}
	return named[at], true
}

// Leaving are the OCIDs of the data volumes to delete with an instance: attached to it now, under
// one of the names given by the provider at its launch, in their order. A volume detached by a
// user, to rescue it, stays; so does a volume attached by others. Ask before the termination, and
// record the answer: afterwards nothing tells them apart.
func Leaving(ctx context.Context, c attacher, own ownership.Proof, names []string, since time.Time, age time.Duration) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	attached, err := c.DataVolumeAttachments(ctx, own.ID())
	if err != nil {
		return nil, err
	}
	volumes, err := c.DataVolumesSince(ctx, since, age)
	if err != nil {
		return nil, err
	}
	called := map[string]string{}
	for _, volume := range volumes {
		called[volume.ID] = volume.DisplayName
	}
	named := map[string][]oci.VolumeAttachment{}
	for _, attachment := range attached {
		if attachment.State == oci.StateAttached || attachment.State == oci.StateAttaching {
			name := called[attachment.VolumeID]
			named[name] = append(named[name], attachment)
		}
	}
	var leaving []string
	for i, name := range names {
		if attachment, found := OnDevice(i, named[name], func(a oci.VolumeAttachment) string { return a.Device }); found {
			leaving = append(leaving, attachment.VolumeID)
		}
	}
	slices.Sort(leaving)
	return leaving, nil
}
