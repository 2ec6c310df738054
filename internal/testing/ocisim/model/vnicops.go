// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"net/http"
)

// AttachVnicDetails is the body of AttachVnic.
type AttachVnicDetails struct {
	InstanceID        string             `json:"instanceId" oci:"required"`
	CreateVnicDetails *CreateVnicDetails `json:"createVnicDetails" oci:"required"`
	DisplayName       string             `json:"displayName"`
	NicIndex          *int               `json:"nicIndex"`
}

// UpdateVnicDetails is the body of UpdateVnic.
type UpdateVnicDetails struct {
	DisplayName         *string   `json:"displayName"`
	HostnameLabel       *string   `json:"hostnameLabel"`
	NsgIDs              *[]string `json:"nsgIds"`
	SkipSourceDestCheck *bool     `json:"skipSourceDestCheck"`
	Tags
}

// AttachVnic gives a RUNNING or STOPPED instance a secondary VNIC, as long as
// its shape has room for one.
func (s *State) AttachVnic(caller *User, details AttachVnicDetails) (*VnicAttachment, error) {
	instance, err := getAlive[*Instance](s, caller, details.InstanceID)
	if err != nil {
		return nil, err
	}
	if instance.LifecycleState != StateRunning && instance.LifecycleState != StateStopped {
		return nil, ErrIncorrectState("The instance %s is in the state %s", instance.ID, instance.LifecycleState)
	}
	if details.NicIndex != nil && *details.NicIndex != 0 {
		return nil, ErrInvalid("nicIndex %d is not valid: a virtual machine has one physical NIC", *details.NicIndex)
	}
	attached := alive(s, func(a *VnicAttachment) bool { return a.InstanceID == instance.ID })
	if len(attached) >= instance.ShapeConfig.MaxVnicAttachments {
		return nil, &Error{Status: http.StatusBadRequest, Code: "LimitExceeded", Message: fmt.Sprintf(
			"The maximum number of VNICs, %d, is attached to the instance %s", instance.ShapeConfig.MaxVnicAttachments, instance.ID)}
	}
	subnet, err := s.planVnic(caller, instance.AvailabilityDomain, *details.CreateVnicDetails)
	if err != nil {
		return nil, err
	}
	attachment := s.newVnic(instance, subnet, *details.CreateVnicDetails, false)
	if details.DisplayName != "" {
		attachment.DisplayName = details.DisplayName
	}
	s.after(s.world.delays.Network, attachment.attach)
	return attachment, nil
}

// DetachVnic takes a secondary VNIC away and deletes it. The primary one stays
// as long as its instance (oci-go-sdk core/core_compute_client.go, DetachVnic).
func (s *State) DetachVnic(caller *User, id, ifMatch string) error {
	attachment, err := getAlive[*VnicAttachment](s, caller, id)
	if err != nil {
		return err
	}
	if err := checkDelete(attachment, ifMatch); err != nil {
		return err
	}
	if attachment.vnic.IsPrimary {
		return ErrInvalid("The primary VNIC of an instance cannot be detached")
	}
	s.remove(attachment, s.world.delays.Network, StateDetaching, StateDetached)
	s.remove(attachment.vnic, s.world.delays.Network, StateTerminating, StateTerminated)
	return nil
}

// UpdateVnic changes a VNIC in place.
func (s *State) UpdateVnic(caller *User, id, ifMatch string, details UpdateVnicDetails) (*Vnic, error) {
	vnic, err := getAlive[*Vnic](s, caller, id)
	if err != nil {
		return nil, err
	}
	if vnic.LifecycleState != StateAvailable {
		return nil, ErrIncorrectState("The VNIC %s is in the state %s", id, vnic.LifecycleState)
	}
	if err := checkMatch(vnic, ifMatch); err != nil {
		return nil, err
	}
	subnet, err := getAlive[*Subnet](s, caller, vnic.SubnetID)
	if err != nil {
		return nil, err
	}
	if details.NsgIDs != nil {
		if err := s.checkNsgs(caller, subnet.VcnID, *details.NsgIDs); err != nil {
			return nil, err
		}
	}
	if details.HostnameLabel != nil && *details.HostnameLabel != vnic.HostnameLabel {
		if err := s.checkHostname(subnet, *details.HostnameLabel); err != nil {
			return nil, err
		}
		vnic.HostnameLabel = *details.HostnameLabel
	}
	if details.NsgIDs != nil {
		vnic.NsgIDs = *details.NsgIDs
	}
	if details.SkipSourceDestCheck != nil {
		vnic.SkipSourceDestCheck = *details.SkipSourceDestCheck
	}
	vnic.update(details.DisplayName, details.Tags)
	return vnic, nil
}
