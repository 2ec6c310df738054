// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

// Volume is OCI's block volume.
type Volume struct {
	Meta
	AvailabilityDomain string `json:"availabilityDomain"`
	SizeInGBs          int64  `json:"sizeInGBs"`
	SizeInMBs          int64  `json:"sizeInMBs"`
	VpusPerGB          int64  `json:"vpusPerGB"`
	IsHydrated         bool   `json:"isHydrated"`
	AutotunePolicies   []any  `json:"autotunePolicies,omitempty"`
}

// BootVolume is the volume an instance boots from.
type BootVolume struct {
	Meta
	AvailabilityDomain string `json:"availabilityDomain"`
	ImageID            string `json:"imageId"`
	SizeInGBs          int64  `json:"sizeInGBs"`
	SizeInMBs          int64  `json:"sizeInMBs"`
	VpusPerGB          int64  `json:"vpusPerGB"`
	IsHydrated         bool   `json:"isHydrated"`
}

// CreateVolumeDetails is the body of CreateVolume.
type CreateVolumeDetails struct {
	CompartmentID           string         `json:"compartmentId" oci:"required"`
	AvailabilityDomain      string         `json:"availabilityDomain"`
	DisplayName             string         `json:"displayName"`
	SizeInGBs               *int64         `json:"sizeInGBs"`
	SizeInMBs               *int64         `json:"sizeInMBs"`
	VpusPerGB               *int64         `json:"vpusPerGB"`
	KmsKeyID                string         `json:"kmsKeyId"`
	XrcKmsKeyID             string         `json:"xrcKmsKeyId"`
	BackupPolicyID          string         `json:"backupPolicyId"`
	VolumeBackupID          string         `json:"volumeBackupId"`
	ClusterPlacementGroupID string         `json:"clusterPlacementGroupId"`
	SourceDetails           map[string]any `json:"sourceDetails"`
	AutotunePolicies        []any          `json:"autotunePolicies"`
	BlockVolumeReplicas     []any          `json:"blockVolumeReplicas"`
	Tags
}

// CreateBootVolumeDetails is the body of CreateBootVolume.
type CreateBootVolumeDetails struct {
	CompartmentID      string           `json:"compartmentId" oci:"required"`
	AvailabilityDomain string           `json:"availabilityDomain"`
	SourceDetails      BootVolumeSource `json:"sourceDetails" oci:"required"`
	DisplayName        string           `json:"displayName"`
	SizeInGBs          *int64           `json:"sizeInGBs"`
	VpusPerGB          *int64           `json:"vpusPerGB"`
	KmsKeyID           string           `json:"kmsKeyId"`
	Tags
}

// BootVolumeSource is the source of a copied boot volume; only another boot volume is simulated.
type BootVolumeSource struct {
	Type string `json:"type" oci:"required" enum:"bootVolume|bootVolumeBackup|bootVolumeReplica|bootVolumeBackupDelta"`
	ID   string `json:"id" oci:"required"`
}

// Block volumes have 50 GB to 32 TB (docs.oracle.com, Block/Concepts/overview.htm).
func checkVolumeSize(name string, size int64) error {
	if size < minBootVolumeGBs || size > maxVolumeGBs {
		return ErrInvalid("%s must be between %d and %d", name, minBootVolumeGBs, maxVolumeGBs)
	}
	return nil
}

func valueOr(value *int64, standard int64) int64 {
	if value == nil {
		return standard
	}
	return *value
}

// CreateVolume makes a block volume.
func (s *State) CreateVolume(caller *User, details CreateVolumeDetails) (*Volume, error) {
	if err := s.checkCompartment(caller, details.CompartmentID); err != nil {
		return nil, err
	}
	if details.AvailabilityDomain == "" {
		return nil, ErrMissing("availabilityDomain")
	}
	if !s.hasAD(details.AvailabilityDomain) {
		return nil, ErrNotFound()
	}
	for _, id := range []string{details.KmsKeyID, details.XrcKmsKeyID, details.BackupPolicyID, details.VolumeBackupID, details.ClusterPlacementGroupID} {
		if id != "" {
			return nil, ErrNotFound()
		}
	}
	if details.SourceDetails != nil || details.BlockVolumeReplicas != nil {
		return nil, ErrInvalid("Copies and replicas of volumes are not simulated")
	}
	size := valueOr(details.SizeInGBs, 1024)
	if details.SizeInMBs != nil {
		if details.SizeInGBs != nil {
			return nil, ErrInvalid("sizeInGBs and sizeInMBs exclude each other")
		}
		size = *details.SizeInMBs / 1024
	}
	if err := checkVolumeSize("sizeInGBs", size); err != nil {
		return nil, err
	}
	vpus := valueOr(details.VpusPerGB, 10)
	if err := checkVpus("vpusPerGB", vpus, 0); err != nil {
		return nil, err
	}
	if err := s.checkLimits(details.CompartmentID, details.AvailabilityDomain, demand{"volume-count": 1, "total-storage-gb": size}); err != nil {
		return nil, err
	}
	volume := s.newVolume(details.CompartmentID, details.AvailabilityDomain, details.DisplayName, size, vpus, details.Tags)
	volume.AutotunePolicies = details.AutotunePolicies
	return volume, nil
}

func (s *State) newVolume(compartment, ad, name string, size, vpus int64, tags Tags) *Volume {
	volume := &Volume{Meta: s.newMeta("volume", compartment, name, tags), AvailabilityDomain: ad,
		SizeInGBs: size, SizeInMBs: size * 1024, VpusPerGB: vpus, IsHydrated: true}
	put(s, volume)
	s.settle(volume, s.world.delays.Volume, StateProvisioning, StateAvailable)
	return volume
}

// GetVolume describes a block volume.
func (s *State) GetVolume(caller *User, id string) (*Volume, error) {
	return get[*Volume](s, caller, id)
}

// ListVolumes lists a compartment's block volumes.
func (s *State) ListVolumes(caller *User, query ListQuery, ad string) ([]*Volume, string, error) {
	return list(s, caller, query, func(v *Volume) bool { return ad == "" || v.AvailabilityDomain == ad })
}

// UpdateVolumeDetails is the body of UpdateVolume, as far as it is simulated.
type UpdateVolumeDetails struct {
	DisplayName      *string `json:"displayName"`
	SizeInGBs        *int64  `json:"sizeInGBs"`
	VpusPerGB        *int64  `json:"vpusPerGB"`
	AutotunePolicies []any   `json:"autotunePolicies"`
	Tags
}

// UpdateVolume changes name, tags, performance, and size; this can only grow. A growing volume
// stays attached, and is taken to be PROVISIONING meanwhile.
func (s *State) UpdateVolume(caller *User, id, ifMatch string, details UpdateVolumeDetails) (*Volume, error) {
	volume, err := getAlive[*Volume](s, caller, id)
	if err != nil {
		return nil, err
	}
	if err := checkDelete(volume, ifMatch); err != nil {
		return nil, err
	}
	size, vpus, err := s.grownTo(details, volume.Meta, volume.AvailabilityDomain, volume.SizeInGBs, volume.VpusPerGB, 0)
	if err != nil {
		return nil, err
	}
	volume.VpusPerGB = vpus
	volume.update(details.DisplayName, details.Tags)
	if size != volume.SizeInGBs {
		volume.SizeInGBs, volume.SizeInMBs = size, size*1024
		volume.setState(StateProvisioning)
		s.settle(volume, s.world.delays.Volume, StateProvisioning, StateAvailable)
	}
	return volume, nil
}

// grownTo is a volume's size and performance after an update: "Has to be larger than the current
// size" (sizeInGBs in oci-go-sdk core/update_boot_volume_details.go), and no volume that is being
// made or resized takes another.
func (s *State) grownTo(details UpdateVolumeDetails, of Meta, ad string, now, vpus, leastVpus int64) (size, performance int64, err error) {
	size, performance = valueOr(details.SizeInGBs, now), valueOr(details.VpusPerGB, vpus)
	if details.SizeInGBs != nil {
		switch {
		case of.LifecycleState != StateAvailable:
			return 0, 0, s.busy("The volume %s is %s", of.ID, of.LifecycleState)
		case size <= now, size > maxVolumeGBs:
			return 0, 0, ErrInvalid("sizeInGBs must be larger than the current size %d, and at most %d", now, maxVolumeGBs)
		}
	}
	if err := checkVpus("vpusPerGB", performance, leastVpus); err != nil {
		return 0, 0, err
	}
	return size, performance, s.checkLimits(of.CompartmentID, ad, demand{"total-storage-gb": size - now})
}

// DeleteVolume removes an unattached volume.
func (s *State) DeleteVolume(caller *User, id, ifMatch string) error {
	volume, err := getAlive[*Volume](s, caller, id)
	if err != nil {
		return err
	}
	if err := checkDelete(volume, ifMatch); err != nil {
		return err
	}
	if attached := alive(s, func(a *VolumeAttachment) bool { return a.VolumeID == id }); len(attached) > 0 {
		return ErrConflict("The volume %s is attached to the instance %s", id, attached[0].InstanceID)
	}
	s.remove(volume, s.world.delays.Volume, StateTerminating, StateTerminated)
	return nil
}

// CreateBootVolume copies a boot volume.
func (s *State) CreateBootVolume(caller *User, details CreateBootVolumeDetails) (*BootVolume, error) {
	if err := s.checkCompartment(caller, details.CompartmentID); err != nil {
		return nil, err
	}
	if details.SourceDetails.Type != "bootVolume" {
		return nil, ErrNotFound()
	}
	source, err := getAlive[*BootVolume](s, caller, details.SourceDetails.ID)
	if err != nil {
		return nil, err
	}
	size, vpus := valueOr(details.SizeInGBs, source.SizeInGBs), valueOr(details.VpusPerGB, source.VpusPerGB)
	if size < source.SizeInGBs || size > maxVolumeGBs {
		return nil, ErrInvalid("sizeInGBs must be between %d and %d", source.SizeInGBs, maxVolumeGBs)
	}
	if err := checkVpus("vpusPerGB", vpus, 10); err != nil {
		return nil, err
	}
	if err := s.checkLimits(details.CompartmentID, source.AvailabilityDomain, demand{"volume-count": 1, "total-storage-gb": size}); err != nil {
		return nil, err
	}
	return s.newBootVolume(details.CompartmentID, source.AvailabilityDomain, details.DisplayName, source.ImageID, size, vpus, details.Tags), nil
}

func (s *State) newBootVolume(compartment, ad, name, image string, size, vpus int64, tags Tags) *BootVolume {
	volume := &BootVolume{Meta: s.newMeta("bootvolume", compartment, name, tags), AvailabilityDomain: ad, ImageID: image,
		SizeInGBs: size, SizeInMBs: size * 1024, VpusPerGB: vpus, IsHydrated: true}
	put(s, volume)
	s.settle(volume, s.world.delays.Volume, StateProvisioning, StateAvailable)
	return volume
}

// GetBootVolume describes a boot volume.
func (s *State) GetBootVolume(caller *User, id string) (*BootVolume, error) {
	return get[*BootVolume](s, caller, id)
}

// ListBootVolumes lists a compartment's boot volumes.
func (s *State) ListBootVolumes(caller *User, query ListQuery, ad string) ([]*BootVolume, string, error) {
	return list(s, caller, query, func(v *BootVolume) bool { return ad == "" || v.AvailabilityDomain == ad })
}

// UpdateBootVolume does the same for a boot volume.
func (s *State) UpdateBootVolume(caller *User, id, ifMatch string, details UpdateVolumeDetails) (*BootVolume, error) {
	volume, err := getAlive[*BootVolume](s, caller, id)
	if err != nil {
		return nil, err
	}
	if err := checkDelete(volume, ifMatch); err != nil {
		return nil, err
	}
	if details.AutotunePolicies != nil {
		return nil, ErrInvalid("Autotune policies of boot volumes are not simulated")
	}
	size, vpus, err := s.grownTo(details, volume.Meta, volume.AvailabilityDomain, volume.SizeInGBs, volume.VpusPerGB, 10)
	if err != nil {
		return nil, err
	}
	volume.VpusPerGB = vpus
	volume.update(details.DisplayName, details.Tags)
	if size != volume.SizeInGBs {
		volume.SizeInGBs, volume.SizeInMBs = size, size*1024
		volume.setState(StateProvisioning)
		s.settle(volume, s.world.delays.Volume, StateProvisioning, StateAvailable)
	}
	return volume, nil
}

// DeleteBootVolume removes a boot volume unused by instances.
func (s *State) DeleteBootVolume(caller *User, id, ifMatch string) error {
	volume, err := getAlive[*BootVolume](s, caller, id)
	if err != nil {
		return err
	}
	if err := checkDelete(volume, ifMatch); err != nil {
		return err
	}
	if attached := s.bootAttachment(id); attached != nil {
		return ErrConflict("The boot volume %s is attached to the instance %s", id, attached.InstanceID)
	}
	s.remove(volume, s.world.delays.Volume, StateTerminating, StateTerminated)
	return nil
}
