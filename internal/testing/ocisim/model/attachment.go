// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import "regexp"

// BootVolumeAttachment joins a boot volume to its instance.
type BootVolumeAttachment struct {
	Meta
	AvailabilityDomain             string `json:"availabilityDomain"`
	BootVolumeID                   string `json:"bootVolumeId"`
	InstanceID                     string `json:"instanceId"`
	IsPvEncryptionInTransitEnabled bool   `json:"isPvEncryptionInTransitEnabled"`
}

// VolumeAttachment joins a block volume to an instance. The last fields belong
// to iSCSI attachments only.
type VolumeAttachment struct {
	Meta
	AttachmentType                 string `json:"attachmentType"`
	AvailabilityDomain             string `json:"availabilityDomain"`
	VolumeID                       string `json:"volumeId"`
	InstanceID                     string `json:"instanceId"`
	Device                         string `json:"device,omitempty"`
	IsReadOnly                     bool   `json:"isReadOnly"`
	IsShareable                    bool   `json:"isShareable"`
	IsPvEncryptionInTransitEnabled bool   `json:"isPvEncryptionInTransitEnabled"`
	IsVolumeCreatedDuringLaunch    bool   `json:"isVolumeCreatedDuringLaunch"`
	Iqn                            string `json:"iqn,omitempty"`
	Ipv4                           string `json:"ipv4,omitempty"`
	Port                           int    `json:"port,omitempty"`
}

// AttachVolumeDetails is the body of AttachVolume.
type AttachVolumeDetails struct {
	Type                           string `json:"type" oci:"required" enum:"iscsi|paravirtualized|emulated|service_determined"`
	InstanceID                     string `json:"instanceId" oci:"required"`
	VolumeID                       string `json:"volumeId" oci:"required"`
	Device                         string `json:"device"`
	DisplayName                    string `json:"displayName"`
	IsReadOnly                     *bool  `json:"isReadOnly"`
	IsShareable                    *bool  `json:"isShareable"`
	IsPvEncryptionInTransitEnabled *bool  `json:"isPvEncryptionInTransitEnabled"`
}

// devicePath is OCI's consistent device naming, oraclevdb to oraclevdag
// (docs.oracle.com, Block/References/consistentdevicepaths.htm).
var devicePath = regexp.MustCompile(`^/dev/oracleoci/oraclevd([b-z]|a[a-g])$`)

func isTrue(value *bool) bool { return value != nil && *value }

// planVolumes checks the data volumes of a launch and returns the sizes of those to make.
func (s *State) planVolumes(caller *User, details LaunchDetails) ([]int64, error) {
	var sizes []int64
	devices := map[string]bool{}
	for _, wanted := range details.LaunchVolumeAttachments {
		if err := checkDevice(wanted.Device, devices); err != nil {
			return nil, err
		}
		if (wanted.VolumeID == "") == (wanted.CreateVolume == nil) {
			return nil, ErrInvalid("A launch volume attachment needs either volumeId or launchCreateVolumeDetails")
		}
		if wanted.VolumeID != "" {
			if err := s.checkAttach(caller, wanted.VolumeID, details.AvailabilityDomain, isTrue(wanted.IsShareable)); err != nil {
				return nil, err
			}
			continue
		}
		create := wanted.CreateVolume
		if create.KmsKeyID != "" {
			return nil, ErrNotFound()
		}
		if create.CompartmentID != "" {
			if err := s.checkCompartment(caller, create.CompartmentID); err != nil {
				return nil, err
			}
		}
		if err := checkVolumeSize("launchCreateVolumeDetails.sizeInGBs", *create.SizeInGBs); err != nil {
			return nil, err
		}
		if err := checkVpus("launchCreateVolumeDetails.vpusPerGB", valueOr(create.VpusPerGB, 10), 0); err != nil {
			return nil, err
		}
		sizes = append(sizes, *create.SizeInGBs)
	}
	return sizes, nil
}

func checkDevice(device string, taken map[string]bool) error {
	if device == "" {
		return nil
	}
	if !devicePath.MatchString(device) {
		return ErrInvalid("device '%s' is not a consistent device path (/dev/oracleoci/oraclevdb to oraclevdag)", device)
	}
	if taken[device] {
		return ErrInvalid("device '%s' is used twice", device)
	}
	taken[device] = true
	return nil
}

// checkAttach refuses volumes elsewhere, not ready, or attached and not shareable.
func (s *State) checkAttach(caller *User, id, ad string, shareable bool) error {
	volume, err := getAlive[*Volume](s, caller, id)
	if err != nil {
		return err
	}
	if volume.AvailabilityDomain != ad {
		return ErrInvalid("The volume %s is not in the availability domain %s", id, ad)
	}
	if volume.LifecycleState != StateAvailable {
		return ErrIncorrectState("The volume %s is in the state %s", id, volume.LifecycleState)
	}
	for _, other := range alive(s, func(a *VolumeAttachment) bool { return a.VolumeID == id }) {
		if !shareable || !other.IsShareable {
			return ErrConflict("The volume %s is already attached to the instance %s", id, other.InstanceID)
		}
	}
	return nil
}

func (s *State) attachBootVolume(instance *Instance, plan launchPlan) {
	volume := plan.bootVolume
	if volume == nil {
		volume = s.newBootVolume(instance.CompartmentID, instance.AvailabilityDomain, instance.DisplayName+" (Boot Volume)",
			plan.image.ID, *plan.source.BootVolumeSizeInGBs, *plan.source.BootVolumeVpusPerGB, Tags{})
	}
	instance.bootVolume = volume
	attachment := &BootVolumeAttachment{
		Meta:               s.newMeta("instance", instance.CompartmentID, "Remote boot attachment for instance", Tags{}),
		AvailabilityDomain: instance.AvailabilityDomain, BootVolumeID: volume.ID, InstanceID: instance.ID,
		IsPvEncryptionInTransitEnabled: plan.encrypted,
	}
	attachment.LifecycleState = StateAttaching
	put(s, attachment)
	s.settle(attachment, s.world.delays.Volume, StateAttaching, StateAttached)
}

// attachAtLaunch makes what a launch wants. A launch's encryption in transit is its paravirtualized
// block volumes', too (OCI Go SDK v65, core/launch_instance_details.go).
func (s *State) attachAtLaunch(instance *Instance, plan launchPlan, wanted LaunchAttachment) {
	encrypted := isTrue(wanted.IsPvEncryptionInTransitEnabled) || plan.encrypted && wanted.Type == "paravirtualized"
	volume := wanted.VolumeID
	if create := wanted.CreateVolume; create != nil {
		compartment := create.CompartmentID
		if compartment == "" {
			compartment = instance.CompartmentID
		}
		volume = s.newVolume(compartment, instance.AvailabilityDomain, create.DisplayName, *create.SizeInGBs, valueOr(create.VpusPerGB, 10), Tags{}).ID
	}
	attachment := s.attach(instance, volume, AttachVolumeDetails{
		Type: wanted.Type, Device: wanted.Device, DisplayName: wanted.DisplayName, IsReadOnly: wanted.IsReadOnly,
		IsShareable: wanted.IsShareable, IsPvEncryptionInTransitEnabled: &encrypted,
	})
	attachment.IsVolumeCreatedDuringLaunch = wanted.CreateVolume != nil
}

func (s *State) attach(instance *Instance, volume string, details AttachVolumeDetails) *VolumeAttachment {
	attachment := &VolumeAttachment{
		Meta:           s.newMeta("volumeattachment", instance.CompartmentID, details.DisplayName, Tags{}),
		AttachmentType: details.Type, AvailabilityDomain: instance.AvailabilityDomain, VolumeID: volume, InstanceID: instance.ID,
		Device: details.Device, IsReadOnly: isTrue(details.IsReadOnly), IsShareable: isTrue(details.IsShareable),
		IsPvEncryptionInTransitEnabled: isTrue(details.IsPvEncryptionInTransitEnabled),
	}
	if details.Type == "iscsi" {
		attachment.Iqn, attachment.Ipv4, attachment.Port = "iqn.2015-12.com.oracleiaas:"+randomText(16), "169.254.2.2", 3260
	}
	attachment.LifecycleState = StateAttaching
	put(s, attachment)
	s.settle(attachment, s.world.delays.Volume, StateAttaching, StateAttached)
	return attachment
}

// AttachVolume attaches a block volume to a RUNNING or STOPPED instance.
func (s *State) AttachVolume(caller *User, details AttachVolumeDetails) (*VolumeAttachment, error) {
	if details.Type == "emulated" || details.Type == "service_determined" {
		return nil, ErrInvalid("The attachment type '%s' is not simulated", details.Type)
	}
	instance, err := getAlive[*Instance](s, caller, details.InstanceID)
	if err != nil {
		return nil, err
	}
	if instance.LifecycleState != StateRunning && instance.LifecycleState != StateStopped {
		return nil, ErrIncorrectState("The instance %s is in the state %s", instance.ID, instance.LifecycleState)
	}
	if err := s.checkAttach(caller, details.VolumeID, instance.AvailabilityDomain, isTrue(details.IsShareable)); err != nil {
		return nil, err
	}
	taken := map[string]bool{}
	for _, other := range alive(s, func(a *VolumeAttachment) bool { return a.InstanceID == instance.ID && a.Device != "" }) {
		taken[other.Device] = true
	}
	if err := checkDevice(details.Device, taken); err != nil {
		return nil, err
	}
	return s.attach(instance, details.VolumeID, details), nil
}

// DetachVolume detaches a block volume.
func (s *State) DetachVolume(caller *User, id, ifMatch string) error {
	attachment, err := getAlive[*VolumeAttachment](s, caller, id)
	if err != nil {
		return err
	}
	if err := checkDelete(attachment, ifMatch); err != nil {
		return err
	}
	s.remove(attachment, s.world.delays.Volume, StateDetaching, StateDetached)
	return nil
}

// GetVolumeAttachment describes a volume attachment.
func (s *State) GetVolumeAttachment(caller *User, id string) (*VolumeAttachment, error) {
	return get[*VolumeAttachment](s, caller, id)
}

// GetBootVolumeAttachment describes a boot volume attachment.
func (s *State) GetBootVolumeAttachment(caller *User, id string) (*BootVolumeAttachment, error) {
	return get[*BootVolumeAttachment](s, caller, id)
}

// ListVolumeAttachments lists a compartment's volume attachments.
func (s *State) ListVolumeAttachments(caller *User, query AttachmentQuery) ([]*VolumeAttachment, string, error) {
	return list(s, caller, query.ListQuery, func(a *VolumeAttachment) bool {
		return query.matches(a.AvailabilityDomain, a.InstanceID, a.VolumeID)
	})
}

// ListBootVolumeAttachments lists the boot volume attachments of one availability domain.
func (s *State) ListBootVolumeAttachments(caller *User, query AttachmentQuery) ([]*BootVolumeAttachment, string, error) {
	if query.AvailabilityDomain == "" {
		return nil, "", ErrMissing("availabilityDomain")
	}
	return list(s, caller, query.ListQuery, func(a *BootVolumeAttachment) bool {
		return query.matches(a.AvailabilityDomain, a.InstanceID, a.BootVolumeID)
	})
}

func (s *State) bootAttachment(volume string) *BootVolumeAttachment {
	attached := alive(s, func(a *BootVolumeAttachment) bool { return a.BootVolumeID == volume })
	if len(attached) == 0 {
		return nil
	}
	return attached[0]
}
