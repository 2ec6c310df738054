// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import "slices"

// UpdateInstanceDetails is the body of UpdateInstance, as far as it is simulated.
type UpdateInstanceDetails struct {
	DisplayName               *string             `json:"displayName"`
	Metadata                  map[string]string   `json:"metadata"`
	ExtendedMetadata          map[string]any      `json:"extendedMetadata"`
	Shape                     *string             `json:"shape"`
	ShapeConfig               *ShapeConfigDetails `json:"shapeConfig"`
	AgentConfig               *AgentConfig        `json:"agentConfig"`
	InstanceOptions           *InstanceOptions    `json:"instanceOptions"`
	AvailabilityConfig        *AvailabilityConfig `json:"availabilityConfig"`
	FaultDomain               *string             `json:"faultDomain"`
	UpdateOperationConstraint string              `json:"updateOperationConstraint" enum:"ALLOW_DOWNTIME"`
	Tags
}

// UpdateInstance changes an instance in place: name, tags, metadata (but neither user_data nor
// ssh_authorized_keys, oci-go-sdk core/update_instance_details.go), options, and the shape, by a
// restart.
func (s *State) UpdateInstance(caller *User, id, ifMatch string, details UpdateInstanceDetails) (*Instance, *WorkRequest, error) {
	instance, err := getAlive[*Instance](s, caller, id)
	if err != nil {
		return nil, nil, err
	}
	if err := s.checkChange(instance, ifMatch); err != nil {
		return nil, nil, err
	}
	if err := s.checkInstanceUpdate(instance, details); err != nil {
		return nil, nil, err
	}
	if details.Shape != nil || details.ShapeConfig != nil {
		if instance.PreemptibleInstanceConfig != nil {
			return nil, nil, errPreemptible(instance)
		}
		if err := s.reshape(instance, details); err != nil {
			return nil, nil, err
		}
	}
	if details.Metadata != nil {
		instance.Metadata = details.Metadata
	}
	if details.ExtendedMetadata != nil {
		instance.ExtendedMetadata = details.ExtendedMetadata
	}
	if details.AgentConfig != nil {
		instance.AgentConfig = details.AgentConfig
	}
	if details.InstanceOptions != nil {
		instance.InstanceOptions = details.InstanceOptions
	}
	if details.AvailabilityConfig != nil {
		instance.AvailabilityConfig = details.AvailabilityConfig
	}
	if details.FaultDomain != nil {
		instance.FaultDomain = *details.FaultDomain
	}
	instance.update(details.DisplayName, details.Tags)
	work := s.newWorkRequest("UpdateInstance", instance.CompartmentID, "instance", instance.ID, "UPDATED")
	takes := s.world.delays.Start
	if instance.LifecycleState == StateStopping {
		takes += s.world.delays.Stop
	}
	s.after(takes, func() { work.succeed(s) })
	return instance, work, nil
}

// checkChange is checkDelete with OCI's answer for instances.
func (s *State) checkChange(instance *Instance, ifMatch string) error {
	if instance.LifecycleState == StateTerminating {
		return s.modified(instance)
	}
	return checkDelete(instance, ifMatch)
}

// modified refuses a change of an instance that is in the middle of another (wording:
// oracle/terraform-provider-oci issue 1282).
func (s *State) modified(instance *Instance) error {
	return s.busy("The instance %s is currently being modified, try again later", instance.ID)
}

func (s *State) checkInstanceUpdate(instance *Instance, details UpdateInstanceDetails) error {
	if details.FaultDomain != nil && !slices.Contains(s.config.FaultDomains(), *details.FaultDomain) {
		return ErrInvalid("faultDomain '%s' is not valid", *details.FaultDomain)
	}
	if details.Metadata != nil {
		for _, key := range []string{"user_data", "ssh_authorized_keys"} {
			if details.Metadata[key] != instance.Metadata[key] {
				return ErrInvalid("The metadata key '%s' cannot be changed after launch", key)
			}
		}
	}
	metadata, extended := instance.Metadata, instance.ExtendedMetadata
	if details.Metadata != nil {
		metadata = details.Metadata
	}
	if details.ExtendedMetadata != nil {
		extended = details.ExtendedMetadata
	}
	return checkMetadata(metadata, extended)
}

func (s *State) reshape(instance *Instance, details UpdateInstanceDetails) error {
	if instance.LifecycleState != StateRunning && instance.LifecycleState != StateStopped {
		return s.modified(instance)
	}
	name := instance.Shape
	if details.Shape != nil {
		name = *details.Shape
	}
	shape, size, err := s.planShape(LaunchDetails{Shape: name, ShapeConfig: details.ShapeConfig})
	if err != nil {
		return err
	}
	if shape.Arch != instance.arch {
		return ErrInvalid("Shape %s is not valid for image %s", name, instance.ImageID)
	}
	plan := launchPlan{shape: shape, size: size, bootVolume: instance.bootVolume}
	wanted := plan.demand(nil)
	if old, _ := s.shape(instance.Shape); old.CoreLimit == shape.CoreLimit {
		wanted[shape.CoreLimit] -= int64(instance.ShapeConfig.Ocpus)
		wanted[shape.MemoryLimit] -= int64(instance.ShapeConfig.MemoryInGBs)
	}
	if err := s.checkLimits(instance.CompartmentID, instance.AvailabilityDomain, wanted); err != nil {
		return err
	}
	instance.Shape, instance.ShapeConfig = name, size
	if instance.LifecycleState == StateRunning {
		s.restart(instance, true)
	}
	return nil
}

// restart stops and starts a running instance within one action. A soft one asks the operating
// system to end.
func (s *State) restart(instance *Instance, soft bool) {
	instance.setState(StateStopping)
	s.after(s.world.delays.Stop, func() {
		if instance.LifecycleState == StateStopping {
			s.unboot(instance, soft)
			instance.setState(StateStarting)
			s.start(instance, nil)
		}
	})
}

// errPreemptible refuses what preemptible instances cannot do: start, stop, reboot and change the
// shape (OCI documentation, "Preemptible Instances", "Support and Limitations"). The code is not
// documented.
func errPreemptible(instance *Instance) error {
	return ErrInvalid("The operation is not supported for the preemptible instance %s", instance.ID)
}

// Action is InstanceAction: START of a stopped instance, the others of a running one.
func (s *State) Action(caller *User, id, action, ifMatch string) (*Instance, *WorkRequest, error) {
	if action == "" {
		return nil, nil, ErrMissing("action")
	}
	instance, err := getAlive[*Instance](s, caller, id)
	if err != nil {
		return nil, nil, err
	}
	if err := checkMatch(instance, ifMatch); err != nil {
		return nil, nil, err
	}
	if !slices.Contains([]string{"START", "STOP", "SOFTSTOP", "RESET", "SOFTRESET"}, action) {
		return nil, nil, ErrInvalid("The action '%s' is not valid", action)
	}
	if instance.PreemptibleInstanceConfig != nil {
		return nil, nil, errPreemptible(instance)
	}
	wanted := StateRunning
	if action == "START" {
		wanted = StateStopped
	}
	if instance.LifecycleState != wanted {
		return nil, nil, s.modified(instance)
	}
	work := s.newWorkRequest("InstanceAction", instance.CompartmentID, "instance", id, "UPDATED")
	switch action {
	case "START":
		instance.setState(StateStarting)
		s.start(instance, work)
	case "STOP", "SOFTSTOP":
		s.stop(instance, work, action == "SOFTSTOP")
	default:
		s.restart(instance, action == "SOFTRESET")
		s.after(s.world.delays.Stop+s.world.delays.Start, func() { work.succeed(s) })
	}
	return instance, work, nil
}

func (s *State) stop(instance *Instance, work *WorkRequest, soft bool) {
	instance.setState(StateStopping)
	s.after(s.world.delays.Stop, func() {
		if instance.LifecycleState == StateStopping {
			instance.setState(StateStopped)
			work.succeed(s)
			s.unboot(instance, soft)
		}
	})
}

// Terminate is TerminateInstance. The defaults are the SDK's: the boot volume
// goes, data volumes made at launch stay (oci-go-sdk
// core/terminate_instance_request_response.go).
func (s *State) Terminate(caller *User, id, ifMatch string, preserveBoot, preserveData bool) (*WorkRequest, error) {
	instance, err := getAlive[*Instance](s, caller, id)
	if err != nil {
		return nil, err
	}
	if err := s.checkChange(instance, ifMatch); err != nil {
		return nil, err
	}
	work := s.newWorkRequest("TerminateInstance", instance.CompartmentID, "instance", id, "DELETED")
	s.terminate(instance, work, preserveBoot, preserveData)
	return work, nil
}

func (s *State) terminate(instance *Instance, work *WorkRequest, preserveBoot, preserveData bool) {
	instance.setState(StateTerminating)
	s.leaves(instance)
	s.after(s.world.delays.Terminate, func() {
		work.succeed(s)
		s.terminated(instance, preserveBoot, preserveData)
	})
}

// terminated ends an instance and its dependent resources.
func (s *State) terminated(instance *Instance, preserveBoot, preserveData bool) {
	for _, attachment := range alive(s, func(a *VnicAttachment) bool { return a.InstanceID == instance.ID }) {
		s.end(attachment, StateDetached)
		s.end(attachment.vnic, StateTerminated)
	}
	for _, attachment := range alive(s, func(a *BootVolumeAttachment) bool { return a.InstanceID == instance.ID }) {
		s.end(attachment, StateDetached)
	}
	if volume := instance.bootVolume; volume.Alive() && !preserveBoot {
		s.end(volume, StateTerminated)
	}
	for _, attachment := range alive(s, func(a *VolumeAttachment) bool { return a.InstanceID == instance.ID }) {
		s.end(attachment, StateDetached)
		volume, ok := s.items[attachment.VolumeID].(*Volume)
		if ok && attachment.IsVolumeCreatedDuringLaunch && !preserveData {
			s.end(volume, StateTerminated)
		}
	}
	s.end(instance, StateTerminated)
	s.unboot(instance, false)
}
