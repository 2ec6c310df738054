// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// SizeStatusOf is the record of what a machine of the spec is granted of the shape.
func SizeStatusOf(spec infrav1.OCIMeshMachineSpec, shape string) infrav1.MachineSizeStatus {
	size := infrav1.MachineSizeStatus{BootVolumeGB: max(spec.BootVolume.SizeGB, DefaultBootVolumeGB)}
	for _, volume := range spec.DataVolumes {
		size.DataVolumesGB += volume.SizeGB
	}
	for _, wanted := range spec.Shapes {
		if wanted.Name == shape && IsFlexible(shape) {
			size.OCPUs, size.MemoryGB = wanted.OCPUs, wanted.MemoryGB
		}
	}
	return size
}

// Granted is the size that a machine at its place was granted, of the shape that it has there, as
// far as it is recorded: a figure without a record is 0. What a shape fixes cannot grow.
func Granted(recorded infrav1.MachineSizeStatus, shape Shape) Size {
	size := Size{
		Instances: 1, OCPUs: int64(recorded.OCPUs), MemoryGB: int64(recorded.MemoryGB),
		VolumeGB: int64(recorded.BootVolumeGB) + int64(recorded.DataVolumesGB),
	}
	if !IsFlexible(shape.Name) {
		size.OCPUs, size.MemoryGB = shape.Size.OCPUs, shape.Size.MemoryGB
	}
	return size
}

// GrantedSpec is the machine's spec with the size that it was granted: whatever else the spec asks
// for by now has no part in the account's budget. What is not recorded is the spec's.
func GrantedSpec(machine *infrav1.OCIMeshMachine) infrav1.OCIMeshMachineSpec {
	spec, granted := machine.Spec, machine.Status.Size
	if granted.OCPUs > 0 {
		spec.Shapes = []infrav1.Shape{{Name: machine.Status.Placement.Shape, OCPUs: granted.OCPUs, MemoryGB: granted.MemoryGB}}
	}
	if granted.BootVolumeGB > 0 {
		spec.BootVolume.SizeGB = granted.BootVolumeGB
	}
	if granted.DataVolumesGB > 0 {
		spec.DataVolumes = []infrav1.DataVolume{{SizeGB: granted.DataVolumesGB}}
	}
	return spec
}
