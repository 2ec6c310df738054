// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/json"
	"fmt"
	"time"
)

// inhabit makes what other people have in the first compartment: a machine with a data volume, a
// volume that is attached to nothing, their network, and images made of a machine for both
// architectures, which keep operating system and version and are newer than the platform's.
func (s *State) inhabit() {
	compartment, tags := s.config.Compartments[0].OCID, Tags{FreeformTags: map[string]string{"owner": "somebody-else"}}
	for _, arch := range []string{"amd64", "arm64"} {
		put(s, s.newImage(ImageSpec{
			Name: "backup-of-my-machine-" + arch, OperatingSystem: "Canonical Ubuntu", OperatingSystemVersion: "24.04", Arch: arch,
			Compartment: compartment, Created: s.world.clock.Now().UTC().Add(-time.Hour),
		}))
	}
	vcn := &Vcn{Meta: s.newMeta("vcn", compartment, "office", tags), CidrBlock: "10.0.0.0/16", CidrBlocks: []string{"10.0.0.0/16"}}
	vcn.DefaultRouteTableID, vcn.DefaultSecurityListID = NewOCID("routetable", s.config.Region), NewOCID("securitylist", s.config.Region)
	subnet := &Subnet{Meta: s.newMeta("subnet", compartment, "office", tags), VcnID: vcn.ID, CidrBlock: "10.0.0.0/24",
		RouteTableID: vcn.DefaultRouteTableID, SecurityListIDs: []string{vcn.DefaultSecurityListID}}
	shape, _ := s.shape("VM.Standard.E2.1.Micro")
	size, _ := shape.size(nil)
	instance := &Instance{
		Meta: s.newMeta("instance", compartment, "my-machine", tags), AvailabilityDomain: s.config.AvailabilityDomains()[0],
		FaultDomain: s.config.FaultDomains()[0], Region: s.config.Region, Shape: shape.Shape, ShapeConfig: size, arch: shape.Arch,
		LaunchMode: "PARAVIRTUALIZED", SourceDetails: SourceDetails{SourceType: "image"}, Metadata: map[string]string{},
	}
	instance.LifecycleState = StateRunning
	boot := s.newBootVolume(compartment, instance.AvailabilityDomain, "my-machine (Boot Volume)", "", defaultBootVolumeGBs, 10, tags)
	instance.bootVolume = boot
	attachment := &BootVolumeAttachment{Meta: s.newMeta("bootvolumeattachment", compartment, "", Tags{}),
		AvailabilityDomain: instance.AvailabilityDomain, InstanceID: instance.ID, BootVolumeID: boot.ID}
	attachment.LifecycleState = StateAttached
	disk := s.newVolume(compartment, instance.AvailabilityDomain, "data-0", minBootVolumeGBs, 10, tags)
	photos := s.newVolume(compartment, instance.AvailabilityDomain, "photos", minBootVolumeGBs, 10, tags)
	joined := s.attach(instance, disk.ID, AttachVolumeDetails{Type: "paravirtualized"})
	for _, meta := range []*Meta{&vcn.Meta, &subnet.Meta, &boot.Meta, &disk.Meta, &photos.Meta} {
		meta.LifecycleState = StateAvailable
	}
	joined.LifecycleState = StateAttached
	put(s, vcn)
	put(s, subnet)
	put(s, instance)
	put(s, attachment)
	s.others = map[string]string{}
	for _, item := range []stored{vcn, subnet, instance, boot, attachment, disk, photos, joined} {
		s.others[item.meta().ID] = portrait(item)
	}
}

// portrait is all that a caller sees of a resource.
func portrait(item stored) string {
	text, err := json.Marshal(item)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Touched lists what became of the resources of other people since they were made: nothing should.
func (s *State) Touched() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var touched []string
	for id, before := range s.others {
		item, exists := s.items[id]
		if !exists {
			touched = append(touched, id+" is gone")
		} else if after := portrait(item); after != before {
			touched = append(touched, fmt.Sprintf("%s was %s and is %s", id, before, after))
		}
	}
	return touched
}
