// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

// InstanceConfiguration is a template of instances. It has no life cycle and cannot be changed but
// for its name and tags (oci-go-sdk core/instance_configuration.go,
// core/update_instance_configuration_details.go).
type InstanceConfiguration struct {
	Meta
	InstanceDetails ConfiguredInstance `json:"instanceDetails"`
	DeferredFields  []string           `json:"deferredFields"`
}

// ConfiguredInstance describes the parts of an instance.
type ConfiguredInstance struct {
	InstanceType   string             `json:"instanceType" oci:"required" enum:"compute"`
	LaunchDetails  *ConfiguredLaunch  `json:"launchDetails,omitempty"`
	BlockVolumes   []ConfiguredVolume `json:"blockVolumes,omitempty"`
	SecondaryVnics []any              `json:"secondaryVnics,omitempty"`
}

// ConfiguredLaunch is the part of LaunchInstance's body a configuration may hold; the launch fills
// in the rest (oci-go-sdk core/instance_configuration_launch_instance_details.go).
type ConfiguredLaunch struct {
	AvailabilityDomain             string              `json:"availabilityDomain,omitempty"`
	CompartmentID                  string              `json:"compartmentId,omitempty"`
	FaultDomain                    string              `json:"faultDomain,omitempty"`
	DisplayName                    string              `json:"displayName,omitempty"`
	Shape                          string              `json:"shape,omitempty"`
	ShapeConfig                    *ShapeConfigDetails `json:"shapeConfig,omitempty"`
	SourceDetails                  *SourceDetails      `json:"sourceDetails,omitempty"`
	CreateVnicDetails              *CreateVnicDetails  `json:"createVnicDetails,omitempty"`
	Metadata                       map[string]string   `json:"metadata,omitempty"`
	ExtendedMetadata               map[string]any      `json:"extendedMetadata,omitempty"`
	LaunchMode                     string              `json:"launchMode,omitempty" enum:"NATIVE|EMULATED|PARAVIRTUALIZED|ACCELERATEDPV|CUSTOM"`
	LaunchOptions                  *LaunchOptions      `json:"launchOptions,omitempty"`
	InstanceOptions                *InstanceOptions    `json:"instanceOptions,omitempty"`
	AvailabilityConfig             *AvailabilityConfig `json:"availabilityConfig,omitempty"`
	AgentConfig                    *AgentConfig        `json:"agentConfig,omitempty"`
	PreemptibleInstanceConfig      *PreemptibleConfig  `json:"preemptibleInstanceConfig,omitempty"`
	PlatformConfig                 map[string]any      `json:"platformConfig,omitempty"`
	IsPvEncryptionInTransitEnabled *bool               `json:"isPvEncryptionInTransitEnabled,omitempty"`
	Tags
}

// ConfiguredVolume is a data volume of each instance.
type ConfiguredVolume struct {
	AttachDetails *ConfiguredAttachment   `json:"attachDetails,omitempty"`
	CreateDetails *ConfiguredVolumeCreate `json:"createDetails,omitempty"`
	VolumeID      string                  `json:"volumeId,omitempty"`
}

// ConfiguredAttachment says how a data volume is attached.
type ConfiguredAttachment struct {
	Type                           string `json:"type" oci:"required" enum:"iscsi|paravirtualized"`
	DisplayName                    string `json:"displayName,omitempty"`
	Device                         string `json:"device,omitempty"`
	IsReadOnly                     *bool  `json:"isReadOnly,omitempty"`
	IsShareable                    *bool  `json:"isShareable,omitempty"`
	IsPvEncryptionInTransitEnabled *bool  `json:"isPvEncryptionInTransitEnabled,omitempty"`
}

// ConfiguredVolumeCreate describes the volume to make. Other than in a launch, it takes tags.
type ConfiguredVolumeCreate struct {
	AvailabilityDomain string `json:"availabilityDomain,omitempty"`
	CompartmentID      string `json:"compartmentId,omitempty"`
	DisplayName        string `json:"displayName,omitempty"`
	KmsKeyID           string `json:"kmsKeyId,omitempty"`
	SizeInGBs          *int64 `json:"sizeInGBs,omitempty"`
	VpusPerGB          *int64 `json:"vpusPerGB,omitempty"`
	Tags
}

// CreateConfigurationDetails is the body of CreateInstanceConfiguration with the source NONE, the
// only one simulated.
type CreateConfigurationDetails struct {
	Source          string              `json:"source" enum:"NONE"`
	CompartmentID   string              `json:"compartmentId" oci:"required"`
	DisplayName     string              `json:"displayName"`
	InstanceDetails *ConfiguredInstance `json:"instanceDetails" oci:"required"`
	Tags
}

// CreateConfiguration keeps a template. Its references are checked at a launch.
func (s *State) CreateConfiguration(caller *User, details CreateConfigurationDetails) (*InstanceConfiguration, error) {
	if err := s.checkCompartment(caller, details.CompartmentID); err != nil {
		return nil, err
	}
	if launch := details.InstanceDetails.LaunchDetails; launch != nil {
		if err := checkMetadata(launch.Metadata, launch.ExtendedMetadata); err != nil {
			return nil, err
		}
	}
	devices := map[string]bool{}
	for _, volume := range details.InstanceDetails.BlockVolumes {
		if volume.AttachDetails == nil || (volume.VolumeID == "") == (volume.CreateDetails == nil) {
			return nil, ErrInvalid("A block volume needs attachDetails and either volumeId or createDetails")
		}
		if volume.CreateDetails != nil && volume.CreateDetails.SizeInGBs == nil {
			return nil, ErrMissing("instanceDetails.blockVolumes.createDetails.sizeInGBs")
		}
		if err := checkDevice(volume.AttachDetails.Device, devices); err != nil {
			return nil, err
		}
	}
	configuration := &InstanceConfiguration{
		Meta:            s.newMeta("instanceconfiguration", details.CompartmentID, details.DisplayName, details.Tags),
		InstanceDetails: *details.InstanceDetails, DeferredFields: []string{},
	}
	configuration.LifecycleState = ""
	put(s, configuration)
	return configuration, nil
}

// GetConfiguration describes a template.
func (s *State) GetConfiguration(caller *User, id string) (*InstanceConfiguration, error) {
	return get[*InstanceConfiguration](s, caller, id)
}

// ConfigurationSummary is a template in a list, without its content (oci-go-sdk
// core/instance_configuration_summary.go).
type ConfigurationSummary struct{ Meta }

// ListConfigurations lists a compartment's templates.
func (s *State) ListConfigurations(caller *User, query ListQuery, _ string) ([]ConfigurationSummary, string, error) {
	items, next, err := list(s, caller, query, func(*InstanceConfiguration) bool { return true })
	summaries := make([]ConfigurationSummary, 0, len(items))
	for _, item := range items {
		summaries = append(summaries, ConfigurationSummary{item.Meta})
	}
	return summaries, next, err
}

// DeleteConfiguration removes a template unused by pools (OCI documentation, "Deleting an Instance
// Configuration": not while an instance pool is associated with it).
func (s *State) DeleteConfiguration(caller *User, id, ifMatch string) error {
	configuration, err := get[*InstanceConfiguration](s, caller, id)
	if err != nil {
		return err
	}
	if err := checkMatch(configuration, ifMatch); err != nil {
		return err
	}
	if used := alive(s, func(p *InstancePool) bool { return p.InstanceConfigurationID == id }); len(used) > 0 {
		return ErrReferenced("InstanceConfiguration", id, "InstancePool", used[0].ID)
	}
	s.forget(configuration)
	return nil
}
