// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"slices"
)

// Leftover is an existing resource of a kind that costs something.
type Leftover struct {
	Kind           string
	ID             string
	DisplayName    string
	LifecycleState string
	CompartmentID  string
}

// Leftovers lists every resource but TERMINATED ones: instances, their pools and configurations,
// networks with their content, volumes, load balancers. Dependent resources (default route tables
// and security lists, VNICs, attachments) and platform images are not listed.
func (s *State) Leftovers() []Leftover {
	s.mu.Lock()
	defer s.mu.Unlock()
	defaults := map[string]bool{}
	for _, vcn := range all[*Vcn](s) {
		defaults[vcn.DefaultRouteTableID], defaults[vcn.DefaultSecurityListID] = true, true
	}
	var left []Leftover
	add := func(items []*Meta) {
		for _, meta := range items {
			if !defaults[meta.ID] && s.others[meta.ID] == "" {
				left = append(left, Leftover{Kind: meta.kind, ID: meta.ID, DisplayName: meta.DisplayName,
					LifecycleState: meta.LifecycleState, CompartmentID: meta.CompartmentID})
			}
		}
	}
	add(metas[*Instance](s))
	add(metas[*ConsoleHistory](s))
	add(metas[*InstancePool](s))
	add(metas[*InstanceConfiguration](s))
	add(metas[*Vcn](s))
	add(metas[*Subnet](s))
	add(metas[*InternetGateway](s))
	add(metas[*NatGateway](s))
	add(metas[*ServiceGateway](s))
	add(metas[*RouteTable](s))
	add(metas[*SecurityList](s))
	add(metas[*NetworkSecurityGroup](s))
	add(metas[*Volume](s))
	add(metas[*BootVolume](s))
	add(metas[*NetworkLoadBalancer](s))
	add(metas[*LoadBalancer](s))
	add(metas[*Drg](s))
	add(metas[*DrgAttachment](s))
	add(metas[*RemotePeering](s))
	return left
}

func metas[T resource](s *State) []*Meta {
	var found []*Meta
	for _, item := range alive(s, func(T) bool { return true }) {
		found = append(found, item.meta())
	}
	return found
}

// Machines returns every instance but TERMINATED ones.
func (s *State) Machines() []Machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	var machines []Machine
	for _, instance := range alive(s, func(i *Instance) bool { return s.others[i.ID] == "" }) {
		machines = append(machines, s.machine(instance))
	}
	return machines
}

// InstanceState returns an instance's lifecycle state, empty when it is unknown.
func (s *State) InstanceState(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if instance, ok := s.items[id].(*Instance); ok {
		return instance.LifecycleState
	}
	return ""
}

// TerminateBehind terminates an instance without an API call, boot volume
// included, as a preemption or an administrator would.
func (s *State) TerminateBehind(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	instance, ok := s.items[id].(*Instance)
	if !ok || !instance.Alive() || instance.LifecycleState == StateTerminating {
		return fmt.Errorf("tenancy %s has no instance %s to terminate", s.name, id)
	}
	s.terminate(instance, nil, false, true)
	return nil
}

// DetachBehind detaches the data volume of a display name, as an owner rescuing it would.
func (s *State) DetachBehind(volumeName string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, attachment := range alive(s, func(*VolumeAttachment) bool { return true }) {
		if volume, ok := s.items[attachment.VolumeID].(*Volume); ok && volume.DisplayName == volumeName {
			s.remove(attachment, 0, StateDetaching, StateDetached)
			return nil
		}
	}
	return fmt.Errorf("tenancy %s has no attached volume %s", s.name, volumeName)
}

// AttachCopyBehind attaches a copy of an attached data volume, under its display name, to the same
// instance, as an owner comparing it with a backup would.
func (s *State) AttachCopyBehind(volumeName, device string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, attachment := range alive(s, func(*VolumeAttachment) bool { return true }) {
		volume, ok := s.items[attachment.VolumeID].(*Volume)
		if !ok || volume.DisplayName != volumeName {
			continue
		}
		instance, ok := s.items[attachment.InstanceID].(*Instance)
		if !ok {
			break
		}
		copied := s.newVolume(volume.CompartmentID, volume.AvailabilityDomain, volumeName, volume.SizeInGBs, volume.VpusPerGB, Tags{})
		copied.LifecycleState = StateAvailable
		joined := s.attach(instance, copied.ID, AttachVolumeDetails{Type: "paravirtualized", Device: device})
		joined.LifecycleState = StateAttached
		return nil
	}
	return fmt.Errorf("tenancy %s has no attached volume %s", s.name, volumeName)
}

// StopBehind stops a running instance without an API call.
func (s *State) StopBehind(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	instance, ok := s.items[id].(*Instance)
	if !ok || instance.LifecycleState != StateRunning {
		return fmt.Errorf("tenancy %s has no running instance %s", s.name, id)
	}
	s.stop(instance, nil, true)
	return nil
}

// ReserveBehind reserves a public IP in the tenancy's first compartment, as a user would in the
// console.
func (s *State) ReserveBehind() (id, address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reserved := &PublicIP{
		Meta:      s.newMeta("publicip", s.config.Compartments[0].OCID, "", Tags{}),
		IPAddress: s.newPublicIP(), Lifetime: "RESERVED", Scope: "REGION",
	}
	reserved.setState(StateAvailable)
	put(s, reserved)
	return reserved.ID, reserved.IPAddress
}

// IsBackend tells whether an existing network load balancer sends connections to an instance.
func (s *State) IsBackend(instance string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	targets := map[string]bool{instance: true}
	for _, vnic := range alive(s, func(vnic *Vnic) bool { return vnic.instance == instance }) {
		targets[s.vcnOf(vnic.SubnetID)+" "+vnic.PrivateIP] = true
	}
	balancers := alive(s, func(balancer *NetworkLoadBalancer) bool {
		takes := func(backend Backend) bool {
			target := backend.TargetID
			if target == "" {
				target = s.vcnOf(balancer.SubnetID) + " " + backend.IPAddress
			}
			return targets[target] && !isTrue(backend.IsDrain) && !isTrue(backend.IsOffline)
		}
		for _, set := range balancer.BackendSets {
			if slices.ContainsFunc(set.Backends, takes) {
				return true
			}
		}
		return false
	})
	return len(balancers) > 0
}

// vcnOf is the VCN of a subnet, empty for a missing subnet.
func (s *State) vcnOf(subnet string) string {
	if found, ok := s.items[subnet].(*Subnet); ok {
		return found.VcnID
	}
	return ""
}
