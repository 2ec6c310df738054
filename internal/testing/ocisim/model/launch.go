// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
)

// launchPlan is a checked launch: all its references have been found.
type launchPlan struct {
	shape       Shape
	size        InstanceShape
	image       *Image
	bootVolume  *BootVolume
	source      SourceDetails
	vnic        CreateVnicDetails
	subnet      *Subnet
	faultDomain string
	// encrypted is whether attachments of the launch are encrypted in transit.
	encrypted bool
}

// LaunchInstance checks everything, takes hosts, and starts the life cycle. It
// returns the instance and its work request. failure, when not nil, lets the
// launch be accepted and its work request fail.
func (s *State) LaunchInstance(caller *User, details LaunchDetails, failure *Error) (*Instance, *WorkRequest, error) {
	plan, err := s.planLaunch(caller, details)
	if err != nil {
		return nil, nil, err
	}
	instance := &Instance{
		Meta:               s.newMeta("instance", details.CompartmentID, details.DisplayName, details.Tags),
		AvailabilityDomain: details.AvailabilityDomain, FaultDomain: plan.faultDomain, Region: shortRegion(s.config.Region),
		Shape: plan.shape.Shape, ShapeConfig: plan.size, ImageID: plan.source.ImageID, LaunchMode: "PARAVIRTUALIZED",
		SourceDetails: plan.source, Metadata: details.Metadata, ExtendedMetadata: details.ExtendedMetadata,
		LaunchOptions: details.LaunchOptions, InstanceOptions: details.InstanceOptions,
		AvailabilityConfig: details.AvailabilityConfig, AgentConfig: details.AgentConfig,
		PreemptibleInstanceConfig: details.PreemptibleInstanceConfig, PlatformConfig: details.PlatformConfig, arch: plan.shape.Arch,
	}
	if instance.InstanceOptions == nil {
		instance.InstanceOptions = &InstanceOptions{AreLegacyImdsEndpointsDisabled: new(bool)}
	}
	put(s, instance)
	work := s.newWorkRequest("LaunchInstance", instance.CompartmentID, "instance", instance.ID, "CREATED")
	s.newVnic(instance, plan.subnet, plan.vnic, true)
	s.attachBootVolume(instance, plan)
	for _, wanted := range details.LaunchVolumeAttachments {
		s.attachAtLaunch(instance, plan, wanted)
	}
	if failure != nil {
		s.after(s.world.delays.Provision, func() { s.failLaunch(instance, work, failure) })
		return instance, work, nil
	}
	s.after(s.world.delays.Provision, func() { s.startProvisioned(instance, work) })
	return instance, work, nil
}

// startProvisioned starts the instance: the interfaces and volumes are there. It goes on to say
// PROVISIONING, as the real one does until it runs.
func (s *State) startProvisioned(instance *Instance, work *WorkRequest) {
	if instance.LifecycleState != StateProvisioning {
		work.fail(s, &Error{Code: "IncorrectState", Message: "The instance was terminated during its launch."})
		return
	}
	for _, attachment := range alive(s, func(a *VnicAttachment) bool { return a.InstanceID == instance.ID }) {
		attachment.attach()
	}
	s.start(instance, work)
}

// start takes the instance to RUNNING and boots the machine.
func (s *State) start(instance *Instance, work *WorkRequest) {
	instance.attempt++
	attempt := instance.attempt
	s.after(s.world.delays.Start, func() {
		state := instance.LifecycleState
		if state != StateStarting && state != StateProvisioning || instance.attempt != attempt {
			return
		}
		instance.setState(StateRunning)
		work.succeed(s)
		s.boot(instance)
	})
}

func (s *State) failLaunch(instance *Instance, work *WorkRequest, failure *Error) {
	work.fail(s, failure)
	if instance.LifecycleState == StateProvisioning {
		s.terminated(instance, false, false)
	}
}

func (s *State) planLaunch(caller *User, details LaunchDetails) (launchPlan, error) {
	plan := launchPlan{encrypted: isTrue(details.IsPvEncryptionInTransitEnabled)}
	if err := s.checkCompartment(caller, details.CompartmentID); err != nil {
		return plan, err
	}
	// OCI answers an unknown availability domain of a launch with 404
	// (hitrov/oci-arm-host-capacity, README, "NotAuthorizedOrNotFound").
	if !s.hasAD(details.AvailabilityDomain) {
		return plan, ErrNotFound()
	}
	if details.FaultDomain != "" && !slices.Contains(s.config.FaultDomains(), details.FaultDomain) {
		return plan, ErrInvalid("faultDomain '%s' is not valid", details.FaultDomain)
	}
	if err := details.checkReferences(); err != nil {
		return plan, err
	}
	if err := checkMetadata(details.Metadata, details.ExtendedMetadata); err != nil {
		return plan, err
	}
	var err error
	if plan.shape, plan.size, err = s.planShape(details); err != nil {
		return plan, err
	}
	if err := s.planSource(caller, details, &plan); err != nil {
		return plan, err
	}
	if plan.vnic, err = details.vnic(); err != nil {
		return plan, err
	}
	if plan.subnet, err = s.planVnic(caller, details.AvailabilityDomain, plan.vnic); err != nil {
		return plan, err
	}
	volumes, err := s.planVolumes(caller, details)
	if err != nil {
		return plan, err
	}
	if err := s.checkLimits(details.CompartmentID, details.AvailabilityDomain, plan.demand(volumes)); err != nil {
		return plan, err
	}
	plan.faultDomain, err = s.pickFaultDomain(details.AvailabilityDomain, details.FaultDomain, plan.shape.Shape)
	return plan, err
}

// demand is a launch's count against limits: whole OCPUs and gigabytes.
func (p launchPlan) demand(dataVolumes []int64) demand {
	wanted := demand{p.shape.CoreLimit: int64(p.size.Ocpus + 0.999)}
	if p.shape.MemoryLimit != "" {
		wanted[p.shape.MemoryLimit] = int64(p.size.MemoryInGBs + 0.999)
	}
	if p.bootVolume == nil {
		dataVolumes = append(dataVolumes, *p.source.BootVolumeSizeInGBs)
	}
	for _, size := range dataVolumes {
		wanted["volume-count"]++
		wanted["total-storage-gb"] += size
	}
	return wanted
}

// vnic merges the two places a launch may name its subnet in.
func (d LaunchDetails) vnic() (CreateVnicDetails, error) {
	vnic := CreateVnicDetails{}
	if d.CreateVnicDetails != nil {
		vnic = *d.CreateVnicDetails
	}
	if d.SubnetID != "" {
		if vnic.SubnetID != "" && vnic.SubnetID != d.SubnetID {
			return vnic, ErrInvalid("subnetId and createVnicDetails.subnetId differ")
		}
		vnic.SubnetID = d.SubnetID
	}
	if d.HostnameLabel != "" {
		if vnic.HostnameLabel != "" && vnic.HostnameLabel != d.HostnameLabel {
			return vnic, ErrInvalid("hostnameLabel and createVnicDetails.hostnameLabel differ")
		}
		vnic.HostnameLabel = d.HostnameLabel
	}
	return vnic, nil
}

// checkReferences answers 404 for kinds of resources not simulated: no OCID of them can exist.
func (d LaunchDetails) checkReferences() error {
	for _, id := range []string{d.CapacityReservationID, d.DedicatedVMHostID, d.ComputeClusterID, d.ClusterPlacementGroupID, d.InstanceConfigurationID} {
		if id != "" {
			return ErrNotFound()
		}
	}
	if len(d.PlacementConstraintDetails) > 0 {
		return ErrNotFound()
	}
	return nil
}
