// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"context"
	"encoding/base64"
	"maps"
)

// Booter follows the simulated machines' life cycles. Its methods are called in goroutines of their
// own and must return when ctx ends.
type Booter interface {
	// Boot is called when an instance becomes RUNNING, also after a stop or a reset, whose Stop has
	// returned by then. ctx ends when the instance stops or the simulator closes: a Boot that comes
	// late finds it ended.
	Boot(ctx context.Context, machine Machine)
	// Stop is called when a RUNNING instance has stopped or is about to be reset.
	Stop(ctx context.Context, machine Machine)
	// Terminate is called when an instance has become TERMINATED.
	Terminate(ctx context.Context, machine Machine)
}

// Machine is an instance as a Booter sees it.
type Machine struct {
	// Tenancy is the tenancy's name, TenancyOCID its identifier.
	Tenancy, TenancyOCID, CompartmentID string
	ID, DisplayName                     string
	Region                              string
	AvailabilityDomain, FaultDomain     string
	Shape                               string
	// Arch is amd64 or arm64.
	Arch        string
	Ocpus       float64
	MemoryInGBs float64
	// ImageID and ImageName are empty when the instance boots from a volume of unknown origin.
	ImageID, ImageName                      string
	OperatingSystem, OperatingSystemVersion string
	// Metadata is as given at launch, user_data still in base64; UserData is it decoded.
	Metadata            map[string]string
	UserData            []byte
	PrivateIP, PublicIP string
	VcnID, SubnetID     string
	// SubnetCIDR is the subnet's range.
	SubnetCIDR   string
	FreeformTags map[string]string
	DefinedTags  map[string]map[string]any
	DataVolumes  []DataVolume
	// Soft is for Stop: the operating system is asked to end first, and has 15 minutes for it.
	Soft bool
}

// DataVolume is a volume attached to a machine.
type DataVolume struct {
	ID          string
	DisplayName string
	// Device is the consistent path, as /dev/oracleoci/oraclevdb; empty when none was asked for.
	Device    string
	SizeInGBs int64
}

func (s *State) machine(instance *Instance) Machine {
	// checkMetadata has refused malformed user data.
	userData, _ := base64.StdEncoding.DecodeString(instance.Metadata["user_data"])
	machine := Machine{
		Tenancy: s.name, TenancyOCID: s.config.OCID, CompartmentID: instance.CompartmentID, ID: instance.ID,
		DisplayName: instance.DisplayName, Region: instance.Region, AvailabilityDomain: instance.AvailabilityDomain,
		FaultDomain: instance.FaultDomain, Shape: instance.Shape, Arch: instance.arch, Ocpus: instance.ShapeConfig.Ocpus,
		MemoryInGBs: instance.ShapeConfig.MemoryInGBs, ImageID: instance.ImageID, Metadata: maps.Clone(instance.Metadata),
		UserData: userData, FreeformTags: maps.Clone(instance.FreeformTags), DefinedTags: maps.Clone(instance.DefinedTags),
	}
	if image, ok := s.items[instance.ImageID].(*Image); ok {
		machine.ImageName, machine.OperatingSystem = image.DisplayName, image.OperatingSystem
		machine.OperatingSystemVersion = image.OperatingSystemVersion
	}
	for _, vnic := range all[*Vnic](s) {
		if vnic.instance != instance.ID || !vnic.IsPrimary {
			continue
		}
		machine.PrivateIP, machine.PublicIP, machine.SubnetID = vnic.PrivateIP, vnic.PublicIP, vnic.SubnetID
		if subnet, ok := s.items[vnic.SubnetID].(*Subnet); ok {
			machine.VcnID, machine.SubnetCIDR = subnet.VcnID, subnet.CidrBlock
		}
	}
	for _, attachment := range alive(s, func(a *VolumeAttachment) bool { return a.InstanceID == instance.ID }) {
		if volume, ok := s.items[attachment.VolumeID].(*Volume); ok {
			machine.DataVolumes = append(machine.DataVolumes, DataVolume{ID: volume.ID, DisplayName: volume.DisplayName,
				Device: attachment.Device, SizeInGBs: volume.SizeInGBs})
		}
	}
	return machine
}

// boot hands a RUNNING machine to the booter, once that has ended the machine's life before.
func (s *State) boot(instance *Instance) {
	if s.world.booter == nil {
		return
	}
	ctx, cancel := s.world.life()
	s.boots[instance.ID] = cancel
	machine, ended := s.machine(instance), s.ends[instance.ID]
	go func() {
		if ended != nil {
			select {
			case <-ended:
			case <-ctx.Done():
				return
			}
		}
		s.world.booter.Boot(ctx, machine)
	}()
}

// unboot tells the booter about a machine's end.
func (s *State) unboot(instance *Instance, soft bool) {
	s.endBoot(instance.ID)
	if s.world.booter == nil {
		return
	}
	tell := s.world.booter.Stop
	if instance.LifecycleState == StateTerminated {
		tell = s.world.booter.Terminate
	}
	ctx, cancel := s.world.life()
	machine := s.machine(instance)
	machine.Soft = soft
	ended := make(chan struct{})
	s.ends[instance.ID] = ended
	go func() {
		defer close(ended)
		defer cancel()
		tell(ctx, machine)
	}()
}

func (s *State) endBoot(id string) {
	if cancel, ok := s.boots[id]; ok {
		cancel()
		delete(s.boots, id)
	}
}
