// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

// PublicIP is a reserved public IP. Ephemeral ones are parts of their VNIC or load balancer.
type PublicIP struct {
	Meta
	IPAddress        string `json:"ipAddress"`
	Lifetime         string `json:"lifetime"`
	Scope            string `json:"scope"`
	AssignedEntityID string `json:"assignedEntityId,omitempty"`
}

// CreatePublicIPDetails is the body of CreatePublicIp.
type CreatePublicIPDetails struct {
	CompartmentID string `json:"compartmentId" oci:"required"`
	Lifetime      string `json:"lifetime" oci:"required" enum:"EPHEMERAL|RESERVED"`
	DisplayName   string `json:"displayName"`
	Tags
}

// CreatePublicIP reserves an unassigned address.
func (s *State) CreatePublicIP(caller *User, details CreatePublicIPDetails) (*PublicIP, error) {
	if err := s.checkCompartment(caller, details.CompartmentID); err != nil {
		return nil, err
	}
	if details.Lifetime != "RESERVED" {
		return nil, ErrMissing("privateIpId")
	}
	address := &PublicIP{
		Meta:      s.newMeta("publicip", details.CompartmentID, details.DisplayName, details.Tags),
		IPAddress: s.newPublicIP(), Lifetime: details.Lifetime, Scope: "REGION",
	}
	put(s, address)
	s.settle(address, s.world.delays.Network, StateProvisioning, StateAvailable)
	return address, nil
}

// GetPublicIP describes a reserved public IP.
func (s *State) GetPublicIP(caller *User, id string) (*PublicIP, error) {
	return get[*PublicIP](s, caller, id)
}

// DeletePublicIP releases a reserved public IP, assigned or not (oci-go-sdk core, DeletePublicIp:
// "Unassigns and deletes").
func (s *State) DeletePublicIP(caller *User, id, ifMatch string) error {
	address, err := getAlive[*PublicIP](s, caller, id)
	if err != nil {
		return err
	}
	if err := checkDelete(address, ifMatch); err != nil {
		return err
	}
	s.remove(address, s.world.delays.Network, StateTerminating, StateTerminated)
	return nil
}

// checkReserved checks a load balancer's reserved public IP: one at most, not assigned, and only
// for a public one (oci-go-sdk networkloadbalancer/reserved_ip.go). Reserved private IPs are not
// simulated.
func (s *State) checkReserved(caller *User, reserved []ReservedIP, private bool) error {
	if len(reserved) > 1 {
		return ErrInvalid("At most one reserved public IP can be given")
	}
	for _, wanted := range reserved {
		address, err := getAlive[*PublicIP](s, caller, wanted.ID)
		switch {
		case err != nil:
			return err
		case private:
			return ErrInvalid("The public IP %s cannot be assigned to a private load balancer", wanted.ID)
		case address.LifecycleState != StateAvailable:
			return ErrConflict("The public IP %s is in the state %s", wanted.ID, address.LifecycleState)
		}
	}
	return nil
}

// publicAddress assigns the reserved public IP, found free by checkReserved under the same lock, or
// makes an ephemeral one.
func (s *State) publicAddress(owner string, reserved []ReservedIP) string {
	if len(reserved) == 0 {
		return s.newPublicIP()
	}
	address := s.items[reserved[0].ID].(*PublicIP)
	address.AssignedEntityID = owner
	address.setState(StateAssigned)
	return address.IPAddress
}

// releasePublicIPs unassigns a load balancer's addresses; they are not deleted with it.
func (s *State) releasePublicIPs(owner string) {
	for _, address := range alive(s, func(p *PublicIP) bool { return p.AssignedEntityID == owner }) {
		address.AssignedEntityID = ""
		address.setState(StateAvailable)
	}
}
