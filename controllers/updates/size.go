// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// status.size is what a machine counts for in its account's budget. It is written with the
// placement, grows before OCI is asked for more, and becomes smaller once OCI's instance is. What
// the spec asks for beyond it counts for nobody.

// WantedSize is the spec's size of the machine's shape.
func WantedSize(own *infrav1.OCIMeshMachine) infrav1.MachineSizeStatus {
	return placement.SizeStatusOf(own.Spec, own.Status.Placement.Shape)
}

// growSize records the spec's size, as far as it is the larger one, and tells whether it is.
func growSize(own *infrav1.OCIMeshMachine) (grown bool) {
	before := own.Status.Size
	own.Status.Size = largerOf(before, WantedSize(own))
	return own.Status.Size != before
}

// SizeSeen records OCPUs and memory of the instance, where nothing of ours is to change them.
func SizeSeen(own *infrav1.OCIMeshMachine, seen oci.Instance) {
	if placement.IsFlexible(seen.Shape) {
		size := placement.SizeOf(seen.OCPUs, seen.MemoryGB)
		own.Status.Size.OCPUs, own.Status.Size.MemoryGB = int32(size.OCPUs), int32(size.MemoryGB) //nolint:gosec // Shapes have far less.
	}
}

// volumesSeen records the sizes of the volumes as OCI has them. A missing one, taken away by
// somebody, counts as the spec has it.
func volumesSeen(own *infrav1.OCIMeshMachine, volumes machineVolumes) {
	wanted, size := WantedSize(own), &own.Status.Size
	for _, volume := range volumes {
		surplus := int32(volume.GB) - volume.gb //nolint:gosec // OCI's largest has 32 TB.
		if volume.Boot {
			wanted.BootVolumeGB += surplus
		} else {
			wanted.DataVolumesGB += surplus
		}
	}
	size.BootVolumeGB, size.DataVolumesGB = wanted.BootVolumeGB, wanted.DataVolumesGB
}

// learnSize finds out the size of a machine without a record of it: one moved or restored, or of a
// release without the record. Its spec may ask for more by now. Until the size is known the spec's
// counts.
func (u *Instance) learnSize(ctx context.Context) error {
	size := &u.Own.Status.Size
	boot := size.BootVolumeGB == 0
	data := size.DataVolumesGB == 0 && len(u.Own.Spec.DataVolumes) > 0
	if !boot && !data {
		return nil
	}
	needsBoot := u.Own.Spec.BootVolume.SizeGB > placement.DefaultBootVolumeGB
	var volumes, detached machineVolumes
	if data || needsBoot {
		in, err := u.Connect(ctx)
		if err != nil {
			return err
		}
		volumes, err = u.volumes(ctx, in.Client, u.Seen)
		if err != nil || (needsBoot && !volumes.hasBoot()) {
			return err
		}
		if detached, err = u.detached(ctx, in.Client, volumes); err != nil {
			return err
		}
	}
	SizeSeen(u.Own, u.Seen)
	volumesSeen(u.Own, append(volumes, detached...))
	if u.Own.Status.Update.Step != "" {
		// OCI may have been asked for the spec's.
		growSize(u.Own)
	}
	return nil
}

// largerOf has the larger figures of both.
func largerOf(a, b infrav1.MachineSizeStatus) infrav1.MachineSizeStatus {
	return infrav1.MachineSizeStatus{
		OCPUs: max(a.OCPUs, b.OCPUs), MemoryGB: max(a.MemoryGB, b.MemoryGB), BootVolumeGB: max(a.BootVolumeGB, b.BootVolumeGB),
		DataVolumesGB: max(a.DataVolumesGB, b.DataVolumesGB),
	}
}
