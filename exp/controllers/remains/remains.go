// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package remains takes away what is left of a pool's instances, for the pool and for each of its
// machines.
package remains

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

const (
	// recordLife is for how long a record of attached volumes counts while the end is not under
	// way. OCI may refuse the end, or be out of reach: a volume detached later than this is kept.
	recordLife = time.Minute
	// maxVolumes is how many volumes a record holds; see LeavingStatus.
	maxVolumes = 10000
)

// Mark are the tags of an instance that its data volumes have as well: its pool's.
func Mark(instanceTags map[string]string) map[string]string {
	mark := map[string]string{}
	for _, key := range []string{infrav1.MachinePoolUIDTag, infrav1.MachinePoolNameTag} {
		if instanceTags[key] == "" {
			return nil
		}
		mark[key] = instanceTags[key]
	}
	return mark
}

// IsRecent tells whether the record still counts.
func IsRecent(leaving expv1.LeavingStatus, now time.Time) bool {
	return !leaving.RecordedAt.IsZero() && now.Sub(leaving.RecordedAt.Time) < recordLife
}

// IsKnown tells whether a new look shows the record. Then nothing has to be written before the end
// is asked for: passes far apart would otherwise only ever record.
func IsKnown(recorded, seen expv1.LeavingStatus) bool {
	return !recorded.RecordedAt.IsZero() && slices.Equal(recorded.VolumeIDs, seen.VolumeIDs)
}

// Leaving are the data volumes to delete with instances: they are attached to one of them now, and
// the mark says that they were made with an instance of the pool. A volume that somebody has
// detached to rescue it stays, and so does one that somebody has attached. Record the answer before
// the end is asked for: afterwards nothing tells them apart.
func Leaving(
	ctx context.Context, c *oci.Client, attachments []oci.VolumeAttachment, instances []string, mark map[string]string, now time.Time,
) (expv1.LeavingStatus, error) {
	leaving := expv1.LeavingStatus{RecordedAt: metav1.NewTime(now)}
	attached := map[string]bool{}
	for _, attachment := range attachments {
		if isAttached(attachment) && slices.Contains(instances, attachment.InstanceID) {
			attached[attachment.VolumeID] = true
		}
	}
	if len(attached) == 0 || len(mark) == 0 {
		return leaving, nil
	}
	volumes, err := c.DataVolumesSince(ctx, time.Now(), 0)
	if err != nil {
		return expv1.LeavingStatus{}, err
	}
	for _, volume := range volumes {
		if attached[volume.ID] && volume.HasTags(mark) && len(leaving.VolumeIDs) < maxVolumes {
			leaving.VolumeIDs = append(leaving.VolumeIDs, volume.ID)
		}
	}
	slices.Sort(leaving.VolumeIDs)
	return leaving, nil
}

func isAttached(attachment oci.VolumeAttachment) bool {
	return attachment.State == oci.StateAttached || attachment.State == oci.StateAttaching
}

// Volumes are the data volumes of instances that have ended.
type Volumes struct {
	// Own are those of Leaving, as recorded in status.
	Own []ownership.Proof
	// Instances are the OCIDs of the instances.
	Instances []string
	// Told says of any other volume whether it is reported as left.
	Told func(oci.Volume) bool
}

// RemoveVolumes deletes the volumes and tells whether all are gone. left are the others: they were
// not attached when the end was asked for, or somebody has attached them to another instance since.
func RemoveVolumes(ctx context.Context, c *oci.Client, volumes Volumes) (gone bool, left []string, err error) {
	listed, err := c.DataVolumesSince(ctx, time.Now(), 0)
	if err != nil {
		return false, nil, err
	}
	gone = true
	for _, volume := range listed {
		at := slices.IndexFunc(volumes.Own, func(p ownership.Proof) bool { return p.ID() == volume.ID })
		if at < 0 {
			if volume.State == oci.StateAvailable && volumes.Told(volume) {
				left = append(left, volume.ID)
			}
			continue
		}
		taken := false
		if volume.State == oci.StateAvailable {
			if taken, err = remove(ctx, c, volumes.Own[at], volumes.Instances); err != nil {
				return false, nil, err
			}
		}
		if taken {
			left = append(left, volume.ID)
		}
		gone = gone && taken
	}
	return gone, left, nil
}

// remove deletes one volume; taken says that OCI refuses because it is attached to somebody else's
// instance.
func remove(ctx context.Context, c *oci.Client, own ownership.Proof, instances []string) (taken bool, err error) {
	err = c.DeleteDataVolume(ctx, own)
	switch {
	case cloud.IsKind(err, cloud.NotFoundOrUnauthorized):
		return false, nil
	case !cloud.IsKind(err, cloud.Conflict):
		return false, err
	}
	attachments, err := c.AllDataVolumeAttachments(ctx)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(attachments, func(a oci.VolumeAttachment) bool {
		return a.VolumeID == own.ID() && isAttached(a) && !slices.Contains(instances, a.InstanceID)
	}), nil
}

// VolumesLeftReason is that of the event about volumes left.
const VolumesLeftReason = "VolumesLeft"

// mostNamed is how many volumes a message names.
const mostNamed = 5

// Left is the message about volumes left.
func Left(account string, volumes []string) string {
	named := strings.Join(volumes[:min(len(volumes), mostNamed)], ", ")
	if len(volumes) > mostNamed {
		named += " and others"
	}
	return fmt.Sprintf("%d data volumes in account %s are left, since they were not attached when the end of their instance was asked for: "+
		"delete those that nobody needs (oci bv volume delete --volume-id) of %s", len(volumes), account, named)
}
