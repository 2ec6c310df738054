// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"encoding/base64"
	"encoding/json"
	"math"
)

// maxMetadata is the limit of metadata and extended metadata together (oci-go-sdk
// core/launch_instance_details.go: "a maximum of 32,000 bytes").
const maxMetadata = 32000

// checkMetadata refuses too large metadata, user data other than base64 (the same file asks for
// it), and extended metadata with a key of the metadata.
func checkMetadata(metadata map[string]string, extended map[string]any) error {
	size := 0
	for key, value := range metadata {
		size += len(key) + len(value)
		if _, repeated := extended[key]; repeated {
			return ErrInvalid("The key '%s' occurs in both metadata and extendedMetadata", key)
		}
	}
	if len(extended) > 0 {
		raw, err := json.Marshal(extended)
		if err != nil {
			return ErrCannotParse("extendedMetadata is not valid JSON")
		}
		size += len(raw)
	}
	if size > maxMetadata {
		return ErrInvalid("The combined size of metadata and extendedMetadata is %d bytes, the maximum is %d bytes", size, maxMetadata)
	}
	for _, key := range []string{"user_data", "ssh_authorized_keys"} {
		if _, misplaced := extended[key]; misplaced {
			return ErrInvalid("The key '%s' is not allowed in extendedMetadata", key)
		}
	}
	if _, err := base64.StdEncoding.DecodeString(metadata["user_data"]); err != nil {
		return ErrInvalid("metadata.user_data must be base64 encoded")
	}
	return nil
}

// planShape finds the shape and computes the size an instance gets.
func (s *State) planShape(details LaunchDetails) (Shape, InstanceShape, error) {
	if details.Shape == "" {
		return Shape{}, InstanceShape{}, ErrMissing("shape")
	}
	shape, ok := s.shape(details.Shape)
	if !ok {
		return shape, InstanceShape{}, ErrInvalid("Shape %s is not valid", details.Shape)
	}
	if details.PreemptibleInstanceConfig != nil && !shape.canBePreemptible() {
		// As zoom/karpenter-oci issue 24 has it.
		return shape, InstanceShape{}, ErrInvalid("Invalid Preemptible instance shape: %s (is not supported)", details.Shape)
	}
	size, err := shape.size(details.ShapeConfig)
	return shape, size, err
}

func (s Shape) size(config *ShapeConfigDetails) (InstanceShape, error) {
	size := InstanceShape{
		Ocpus: s.Ocpus, MemoryInGBs: s.MemoryInGBs, ProcessorDescription: s.ProcessorDescription,
		NetworkingBandwidthInGbps: s.NetworkingBandwidthInGbps, MaxVnicAttachments: s.MaxVnicAttachments,
	}
	if !s.IsFlexible {
		if config != nil && (config.Ocpus != nil && *config.Ocpus != s.Ocpus || config.MemoryInGBs != nil && *config.MemoryInGBs != s.MemoryInGBs) {
			return size, ErrInvalid("The shape %s is not flexible: shapeConfig cannot change its size", s.Shape)
		}
	} else if err := s.flexible(config, &size); err != nil {
		return size, err
	}
	size.Vcpus = int(size.Ocpus) * s.threads()
	return size, nil
}

func (s Shape) threads() int {
	if s.Arch == "arm64" && s.Shape == "VM.Standard.A1.Flex" {
		return 1
	}
	return 2
}

func (s Shape) flexible(config *ShapeConfigDetails, size *InstanceShape) error {
	if config == nil {
		return ErrMissing("shapeConfig")
	}
	if config.Ocpus == nil && config.Vcpus != nil {
		ocpus := float64(*config.Vcpus) / float64(s.threads())
		config.Ocpus = &ocpus
	}
	if config.Ocpus == nil {
		return ErrMissing("shapeConfig.ocpus")
	}
	size.Ocpus = *config.Ocpus
	size.BaselineOcpuUtilization = config.BaselineOcpuUtilization
	if size.Ocpus < s.OcpuOptions.Min || size.Ocpus > s.OcpuOptions.Max || size.Ocpus != math.Trunc(size.Ocpus) {
		return ErrInvalid("shapeConfig.ocpus must be a whole number between %g and %g for the shape %s", s.OcpuOptions.Min, s.OcpuOptions.Max, s.Shape)
	}
	options := s.MemoryOptions
	size.MemoryInGBs = min(options.MaxInGBs, options.DefaultPerOcpuInGBs*size.Ocpus)
	if config.MemoryInGBs != nil {
		size.MemoryInGBs = *config.MemoryInGBs
	}
	least := max(options.MinInGBs, options.MinPerOcpuInGBs*size.Ocpus)
	most := min(options.MaxInGBs, options.MaxPerOcpuInGBs*size.Ocpus)
	if size.MemoryInGBs < least || size.MemoryInGBs > most {
		return ErrInvalid("shapeConfig.memoryInGBs must be between %g and %g for %g OCPUs of the shape %s", least, most, size.Ocpus, s.Shape)
	}
	size.NetworkingBandwidthInGbps = min(40, size.Ocpus)
	size.MaxVnicAttachments = max(2, min(24, int(size.Ocpus)))
	return nil
}

// Boot volumes have 50 GB to 32 TB (oci-go-sdk core/instance_source_via_image_details.go).
const (
	defaultBootVolumeGBs = 47
	minBootVolumeGBs     = 50
	maxVolumeGBs         = 32768
)

// planSource finds the instance's boot source; it must suit the shape's architecture.
func (s *State) planSource(caller *User, details LaunchDetails, plan *launchPlan) error {
	source := details.SourceDetails
	if source == nil {
		if details.ImageID == "" {
			return ErrMissing("sourceDetails")
		}
		source = &SourceDetails{SourceType: "image", ImageID: details.ImageID}
	}
	plan.source = *source
	if source.SourceType == "bootVolume" {
		return s.planBootVolume(caller, details, plan)
	}
	if source.ImageFilter != nil {
		return ErrInvalid("instanceSourceImageFilterDetails is not simulated")
	}
	if source.ImageID == "" {
		return ErrMissing("sourceDetails.imageId")
	}
	if source.KmsKeyID != "" {
		return ErrNotFound()
	}
	image, err := s.GetImage(caller, source.ImageID)
	if err != nil {
		return err
	}
	if image.arch != plan.shape.Arch {
		return ErrInvalid("Shape %s is not valid for image %s", plan.shape.Shape, image.ID)
	}
	plan.image = image
	if source.BootVolumeSizeInGBs == nil {
		size := int64(defaultBootVolumeGBs)
		plan.source.BootVolumeSizeInGBs = &size
	} else if size := *source.BootVolumeSizeInGBs; size < minBootVolumeGBs || size > maxVolumeGBs {
		return ErrInvalid("bootVolumeSizeInGBs must be between %d and %d", minBootVolumeGBs, maxVolumeGBs)
	}
	if source.BootVolumeVpusPerGB == nil {
		vpus := int64(10)
		plan.source.BootVolumeVpusPerGB = &vpus
		return nil
	}
	return checkVpus("bootVolumeVpusPerGB", *source.BootVolumeVpusPerGB, 10)
}

func (s *State) planBootVolume(caller *User, details LaunchDetails, plan *launchPlan) error {
	if plan.source.BootVolumeID == "" {
		return ErrMissing("sourceDetails.bootVolumeId")
	}
	volume, err := getAlive[*BootVolume](s, caller, plan.source.BootVolumeID)
	if err != nil {
		return err
	}
	if volume.AvailabilityDomain != details.AvailabilityDomain {
		return ErrInvalid("The boot volume %s is not in the availability domain %s", volume.ID, details.AvailabilityDomain)
	}
	if volume.LifecycleState != StateAvailable || s.bootAttachment(volume.ID) != nil {
		return ErrConflict("The boot volume %s is attached or not AVAILABLE", volume.ID)
	}
	plan.bootVolume = volume
	plan.source.ImageID = volume.ImageID
	return nil
}

// checkVpus takes 0, 10, 20 and so on to 120 (docs.oracle.com,
// Block/Concepts/blockvolumeperformance.htm); boot volumes begin at 10.
func checkVpus(name string, vpus, least int64) error {
	if vpus < least || vpus > 120 || vpus%10 != 0 {
		return ErrInvalid("%s must be a multiple of 10 between %d and 120", name, least)
	}
	return nil
}
