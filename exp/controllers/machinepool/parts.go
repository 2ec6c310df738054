// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// parts say how large an instance is, and which image goes with that.
type parts expv1.GrantedStatus

// partsOf are those that the spec wants.
func partsOf(spec expv1.OCIMeshMachinePoolSpec) parts {
	return parts{Shape: spec.Shape, Image: spec.Image, BootVolume: spec.BootVolume, DataVolumes: spec.DataVolumes}
}

// grantedOf are those that are recorded, or the spec's where none are.
func grantedOf(own *expv1.OCIMeshMachinePool) parts {
	if own.Status.Granted.Shape.Name == "" {
		return partsOf(own.Spec)
	}
	return parts(own.Status.Granted)
}

// machineSpecOf is a machine of the pool as the spec wants it.
func machineSpecOf(spec expv1.OCIMeshMachinePoolSpec) infrav1.OCIMeshMachineSpec {
	return partsOf(spec).machineSpec(spec)
}

// machineSpec is a machine of the pool, made of the parts.
func (p parts) machineSpec(spec expv1.OCIMeshMachinePoolSpec) infrav1.OCIMeshMachineSpec {
	return infrav1.OCIMeshMachineSpec{
		Shapes: []infrav1.Shape{p.Shape}, Image: p.Image, BootVolume: p.BootVolume, DataVolumes: p.DataVolumes,
		Bootstrap: spec.Bootstrap, Tailscale: spec.Tailscale, SSHAuthorizedKeys: spec.SSHAuthorizedKeys,
		Preemptible: spec.Preemptible, Tags: spec.Tags,
	}
}

// covering are the parts, as large as those before where these are larger: OCI launches the ones
// before until it is told. Those of another shape replace them.
func (p parts) covering(before parts) parts {
	if p.Shape.Name != before.Shape.Name {
		return p
	}
	p.Shape.OCPUs, p.Shape.MemoryGB = max(p.Shape.OCPUs, before.Shape.OCPUs), max(p.Shape.MemoryGB, before.Shape.MemoryGB)
	if missing := before.volumeGB() - p.volumeGB(); missing > 0 {
		p.BootVolume.SizeGB = p.bootGB() + missing
	}
	return p
}

func (p parts) bootGB() int32 { return max(p.BootVolume.SizeGB, placement.DefaultBootVolumeGB) }

// volumeGB are all volumes of an instance.
func (p parts) volumeGB() int32 {
	size := p.bootGB()
	for _, volume := range p.DataVolumes {
		size += volume.SizeGB
	}
	return size
}

// shapeSeen is the shape of an instance, in the spec's words. What OCI does not show is as wanted.
func shapeSeen(wanted infrav1.Shape, instance oci.Instance) infrav1.Shape {
	shape := wanted
	shape.Name, shape.OCPUs, shape.MemoryGB = instance.Shape, 0, 0
	if placement.IsFlexible(instance.Shape) {
		size := placement.SizeOf(instance.OCPUs, instance.MemoryGB)
		shape.OCPUs, shape.MemoryGB = int32(size.OCPUs), int32(size.MemoryGB) //nolint:gosec // Shapes have far less.
	}
	return shape
}
