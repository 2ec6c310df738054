// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import "strings"

// Instance is OCI's compute instance.
type Instance struct {
	Meta
	AvailabilityDomain        string              `json:"availabilityDomain"`
	FaultDomain               string              `json:"faultDomain"`
	Region                    string              `json:"region"`
	Shape                     string              `json:"shape"`
	ShapeConfig               InstanceShape       `json:"shapeConfig"`
	ImageID                   string              `json:"imageId"`
	LaunchMode                string              `json:"launchMode"`
	SourceDetails             SourceDetails       `json:"sourceDetails"`
	Metadata                  map[string]string   `json:"metadata"`
	ExtendedMetadata          map[string]any      `json:"extendedMetadata"`
	LaunchOptions             *LaunchOptions      `json:"launchOptions,omitempty"`
	InstanceOptions           *InstanceOptions    `json:"instanceOptions,omitempty"`
	AvailabilityConfig        *AvailabilityConfig `json:"availabilityConfig,omitempty"`
	AgentConfig               *AgentConfig        `json:"agentConfig,omitempty"`
	PreemptibleInstanceConfig *PreemptibleConfig  `json:"preemptibleInstanceConfig,omitempty"`
	PlatformConfig            map[string]any      `json:"platformConfig,omitempty"`

	arch       string
	bootVolume *BootVolume
	attempt    int

	// pool and configuration are its origin; empty for an instance launched by itself.
	pool, configuration string
	detaching           bool
}

// InstanceShape is an instance's size.
type InstanceShape struct {
	Ocpus                     float64 `json:"ocpus"`
	Vcpus                     int     `json:"vcpus"`
	MemoryInGBs               float64 `json:"memoryInGBs"`
	BaselineOcpuUtilization   string  `json:"baselineOcpuUtilization,omitempty"`
	ProcessorDescription      string  `json:"processorDescription"`
	NetworkingBandwidthInGbps float64 `json:"networkingBandwidthInGbps"`
	MaxVnicAttachments        int     `json:"maxVnicAttachments"`
}

// SourceDetails say what an instance boots from: an image or a boot volume.
type SourceDetails struct {
	SourceType          string `json:"sourceType" oci:"required" enum:"image|bootVolume"`
	ImageID             string `json:"imageId,omitempty"`
	BootVolumeSizeInGBs *int64 `json:"bootVolumeSizeInGBs,omitempty"`
	BootVolumeVpusPerGB *int64 `json:"bootVolumeVpusPerGB,omitempty"`
	KmsKeyID            string `json:"kmsKeyId,omitempty"`
	BootVolumeID        string `json:"bootVolumeId,omitempty"`
	ImageFilter         any    `json:"instanceSourceImageFilterDetails,omitempty"`
}

// ShapeConfigDetails size a flexible shape.
type ShapeConfigDetails struct {
	Ocpus                   *float64 `json:"ocpus"`
	Vcpus                   *int     `json:"vcpus"`
	MemoryInGBs             *float64 `json:"memoryInGBs"`
	BaselineOcpuUtilization string   `json:"baselineOcpuUtilization" enum:"BASELINE_1_8|BASELINE_1_2|BASELINE_1_1"`
}

// LaunchOptions are the virtual machine's devices.
type LaunchOptions struct {
	BootVolumeType                  string `json:"bootVolumeType,omitempty" enum:"ISCSI|SCSI|IDE|VFIO|PARAVIRTUALIZED|NVME"`
	Firmware                        string `json:"firmware,omitempty" enum:"BIOS|UEFI_64"`
	NetworkType                     string `json:"networkType,omitempty" enum:"E1000|VFIO|PARAVIRTUALIZED|ACCELERATEDPV"`
	RemoteDataVolumeType            string `json:"remoteDataVolumeType,omitempty" enum:"ISCSI|SCSI|IDE|VFIO|PARAVIRTUALIZED|NVME"`
	IsPvEncryptionInTransitEnabled  *bool  `json:"isPvEncryptionInTransitEnabled,omitempty"`
	IsEncryptionInTransitEnabled    *bool  `json:"isEncryptionInTransitEnabled,omitempty"`
	IsConsistentVolumeNamingEnabled *bool  `json:"isConsistentVolumeNamingEnabled,omitempty"`
}

// InstanceOptions switch the first version of the metadata service off.
type InstanceOptions struct {
	AreLegacyImdsEndpointsDisabled *bool `json:"areLegacyImdsEndpointsDisabled,omitempty"`
}

// AvailabilityConfig says what happens on infrastructure maintenance.
type AvailabilityConfig struct {
	IsLiveMigrationPreferred *bool  `json:"isLiveMigrationPreferred,omitempty"`
	RecoveryAction           string `json:"recoveryAction,omitempty" enum:"RESTORE_INSTANCE|STOP_INSTANCE"`
}

// AgentConfig configures Oracle's agent on the instance.
type AgentConfig struct {
	IsMonitoringDisabled  *bool          `json:"isMonitoringDisabled,omitempty"`
	IsManagementDisabled  *bool          `json:"isManagementDisabled,omitempty"`
	AreAllPluginsDisabled *bool          `json:"areAllPluginsDisabled,omitempty"`
	PluginsConfig         []PluginConfig `json:"pluginsConfig,omitempty"`
}

// PluginConfig switches one plug-in of the agent.
type PluginConfig struct {
	Name         string `json:"name" oci:"required"`
	DesiredState string `json:"desiredState" oci:"required" enum:"ENABLED|DISABLED"`
}

// PreemptibleConfig makes an instance preemptible.
type PreemptibleConfig struct {
	PreemptionAction *PreemptionAction `json:"preemptionAction" oci:"required"`
}

// PreemptionAction is what happens when the capacity is taken back.
type PreemptionAction struct {
	Type               string `json:"type" oci:"required" enum:"TERMINATE"`
	PreserveBootVolume *bool  `json:"preserveBootVolume,omitempty"`
}

// LaunchDetails is the body of LaunchInstance.
type LaunchDetails struct {
	AvailabilityDomain             string              `json:"availabilityDomain" oci:"required"`
	CompartmentID                  string              `json:"compartmentId" oci:"required"`
	FaultDomain                    string              `json:"faultDomain"`
	DisplayName                    string              `json:"displayName"`
	HostnameLabel                  string              `json:"hostnameLabel"`
	Shape                          string              `json:"shape"`
	ShapeConfig                    *ShapeConfigDetails `json:"shapeConfig"`
	ImageID                        string              `json:"imageId"`
	SourceDetails                  *SourceDetails      `json:"sourceDetails"`
	SubnetID                       string              `json:"subnetId"`
	CreateVnicDetails              *CreateVnicDetails  `json:"createVnicDetails"`
	Metadata                       map[string]string   `json:"metadata"`
	ExtendedMetadata               map[string]any      `json:"extendedMetadata"`
	LaunchOptions                  *LaunchOptions      `json:"launchOptions"`
	InstanceOptions                *InstanceOptions    `json:"instanceOptions"`
	AvailabilityConfig             *AvailabilityConfig `json:"availabilityConfig"`
	AgentConfig                    *AgentConfig        `json:"agentConfig"`
	PreemptibleInstanceConfig      *PreemptibleConfig  `json:"preemptibleInstanceConfig"`
	PlatformConfig                 map[string]any      `json:"platformConfig"`
	LaunchVolumeAttachments        []LaunchAttachment  `json:"launchVolumeAttachments"`
	IsPvEncryptionInTransitEnabled *bool               `json:"isPvEncryptionInTransitEnabled"`
	PlacementConstraintDetails     map[string]any      `json:"placementConstraintDetails"`
	CapacityReservationID          string              `json:"capacityReservationId"`
	DedicatedVMHostID              string              `json:"dedicatedVmHostId"`
	ComputeClusterID               string              `json:"computeClusterId"`
	ClusterPlacementGroupID        string              `json:"clusterPlacementGroupId"`
	InstanceConfigurationID        string              `json:"instanceConfigurationId"`
	Tags
}

// LaunchAttachment is a data volume attached, and perhaps made, at launch.
type LaunchAttachment struct {
	Type                           string              `json:"type" oci:"required" enum:"iscsi|paravirtualized"`
	Device                         string              `json:"device"`
	DisplayName                    string              `json:"displayName"`
	IsReadOnly                     *bool               `json:"isReadOnly"`
	IsShareable                    *bool               `json:"isShareable"`
	VolumeID                       string              `json:"volumeId"`
	CreateVolume                   *LaunchCreateVolume `json:"launchCreateVolumeDetails"`
	IsPvEncryptionInTransitEnabled *bool               `json:"isPvEncryptionInTransitEnabled"`
}

// LaunchCreateVolume describes a data volume to make at launch.
type LaunchCreateVolume struct {
	VolumeCreationType string `json:"volumeCreationType" oci:"required" enum:"ATTRIBUTES"`
	SizeInGBs          *int64 `json:"sizeInGBs" oci:"required"`
	VpusPerGB          *int64 `json:"vpusPerGB"`
	CompartmentID      string `json:"compartmentId"`
	DisplayName        string `json:"displayName"`
	KmsKeyID           string `json:"kmsKeyId"`
}

// GetInstance describes an instance.
func (s *State) GetInstance(caller *User, id string) (*Instance, error) {
	return get[*Instance](s, caller, id)
}

// ListInstances lists a compartment's instances.
func (s *State) ListInstances(caller *User, query ListQuery, ad string) ([]*Instance, string, error) {
	states := " MOVING PROVISIONING RUNNING STARTING STOPPING STOPPED CREATING_IMAGE TERMINATING TERMINATED "
	if query.LifecycleState != "" && !strings.Contains(states, " "+query.LifecycleState+" ") {
		return nil, "", ErrInvalid("Invalid lifecycleState: %s", query.LifecycleState)
	}
	if ad != "" && !s.hasAD(ad) {
		return nil, "", ErrInvalid("availabilityDomain '%s' is not valid", ad)
	}
	return list(s, caller, query, func(i *Instance) bool { return ad == "" || i.AvailabilityDomain == ad })
}
