// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// status.size is what a machine counts for in its account's budget. It is written with the
// placement, grows before OCI is asked for more, and becomes smaller once OCI's instance is. What
// the spec asks for beyond it counts for nobody.

// wantedSizeStatus is the spec's size of the shape that the machine has.
func (s *scope) wantedSizeStatus() infrav1.MachineSizeStatus {
	return placement.SizeStatusOf(s.own.Spec, s.own.Status.Placement.Shape)
}

// growSize records the spec's size, as far as it is the larger one, and tells whether it is.
func (s *scope) growSize() (grown bool) {
	before := s.own.Status.Size
	s.own.Status.Size = largerOf(before, s.wantedSizeStatus())
	return s.own.Status.Size != before
}

// sizeSeen records OCPUs and memory of the instance, where nothing of ours is to change them.
func (s *scope) sizeSeen(seen oci.Instance) {
	if placement.IsFlexible(seen.Shape) {
		size := placement.SizeOf(seen.OCPUs, seen.MemoryGB)
		s.own.Status.Size.OCPUs, s.own.Status.Size.MemoryGB = int32(size.OCPUs), int32(size.MemoryGB) //nolint:gosec // Shapes have far less.
	}
}

// volumesSeen records the sizes of the volumes as OCI has them. One that is not among them, since
// somebody has detached it, counts as the spec has it.
func (s *scope) volumesSeen(volumes machineVolumes) {
	wanted, size := s.wantedSizeStatus(), &s.own.Status.Size
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

// learnSize finds out the size of a machine that has no record of it: it was moved or restored, or
// is of a release that wrote none. Its spec may ask for more by now. Until the size is known the
// spec's counts.
func (r *Reconciler) learnSize(ctx context.Context, s *scope) error {
	size := &s.own.Status.Size
	boot := size.BootVolumeGB == 0
	data := size.DataVolumesGB == 0 && len(s.own.Spec.DataVolumes) > 0
	if !boot && !data {
		return nil
	}
	needsBoot := s.own.Spec.BootVolume.SizeGB > placement.DefaultBootVolumeGB
	var volumes machineVolumes
	if data || needsBoot {
		in, err := r.finder().connect(ctx, s.own.Status.Placement.Account)
		if err != nil {
			return err
		}
		volumes, err = s.volumes(ctx, in.client, *s.instance)
		if err != nil || (needsBoot && !volumes.hasBoot()) {
			return err
		}
	}
	s.sizeSeen(*s.instance)
	s.volumesSeen(volumes)
	if s.own.Status.Update.Step != "" {
		// OCI may have been asked for the spec's.
		s.growSize()
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
