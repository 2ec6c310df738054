// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

// Drg is OCI's dynamic routing gateway.
type Drg struct{ Meta }

// DrgAttachment joins a network to a gateway.
type DrgAttachment struct {
	Meta
	DrgID          string     `json:"drgId"`
	VcnID          string     `json:"vcnId"`
	NetworkDetails DrgNetwork `json:"networkDetails"`
}

// DrgNetwork is the target of an attachment; only networks are simulated.
type DrgNetwork struct {
	Type string `json:"type" oci:"required" enum:"VCN"`
	ID   string `json:"id" oci:"required"`
}

// RemotePeering is one end of a connection between two gateways.
type RemotePeering struct {
	Meta
	DrgID                 string `json:"drgId"`
	IsCrossTenancyPeering bool   `json:"isCrossTenancyPeering"`
	PeeringStatus         string `json:"peeringStatus"`
	PeerID                string `json:"peerId,omitempty"`
	PeerRegionName        string `json:"peerRegionName,omitempty"`
}

// CreateDrgDetails is the body of CreateDrg.
type CreateDrgDetails struct {
	CompartmentID string `json:"compartmentId" oci:"required"`
	DisplayName   string `json:"displayName"`
	Tags
}

// CreateDrgAttachmentDetails is the body of CreateDrgAttachment.
type CreateDrgAttachmentDetails struct {
	DrgID          string      `json:"drgId" oci:"required"`
	VcnID          string      `json:"vcnId"`
	NetworkDetails *DrgNetwork `json:"networkDetails"`
	DisplayName    string      `json:"displayName"`
	Tags
}

// CreateRemotePeeringDetails is the body of CreateRemotePeeringConnection.
type CreateRemotePeeringDetails struct {
	CompartmentID string `json:"compartmentId" oci:"required"`
	DrgID         string `json:"drgId" oci:"required"`
	DisplayName   string `json:"displayName"`
	Tags
}

// ConnectDetails is the body of ConnectRemotePeeringConnections.
type ConnectDetails struct {
	PeerID         string `json:"peerId" oci:"required"`
	PeerRegionName string `json:"peerRegionName" oci:"required"`
}

// CreateDrg makes a gateway.
func (s *State) CreateDrg(caller *User, details CreateDrgDetails) (*Drg, error) {
	if err := s.checkCompartment(caller, details.CompartmentID); err != nil {
		return nil, err
	}
	drg := &Drg{Meta: s.newMeta("drg", details.CompartmentID, details.DisplayName, details.Tags)}
	put(s, drg)
	s.settle(drg, s.world.delays.Network, StateProvisioning, StateAvailable)
	return drg, nil
}

// drgFor finds the gateway to join; it must be AVAILABLE.
func (s *State) drgFor(caller *User, id string) (*Drg, error) {
	drg, err := getAlive[*Drg](s, caller, id)
	if err == nil && drg.LifecycleState != StateAvailable {
		return nil, ErrIncorrectState("The DRG %s is in the state %s", id, drg.LifecycleState)
	}
	return drg, err
}

// GetDrg describes a gateway.
func (s *State) GetDrg(caller *User, id string) (*Drg, error) { return get[*Drg](s, caller, id) }

// ListDrgs lists a compartment's gateways; the filter is none of OCI's.
func (s *State) ListDrgs(caller *User, query ListQuery, _ string) ([]*Drg, string, error) {
	return list(s, caller, query, func(*Drg) bool { return true })
}

// DeleteDrg removes a gateway without attachments.
func (s *State) DeleteDrg(caller *User, id, ifMatch string) error {
	drg, err := getAlive[*Drg](s, caller, id)
	if err != nil {
		return err
	}
	if err := checkDelete(drg, ifMatch); err != nil {
		return err
	}
	if used := alive(s, func(a *DrgAttachment) bool { return a.DrgID == id }); len(used) > 0 {
		return ErrReferenced("DRG", id, "DrgAttachment", used[0].ID)
	}
	if used := alive(s, func(r *RemotePeering) bool { return r.DrgID == id }); len(used) > 0 {
		return ErrReferenced("DRG", id, "RemotePeeringConnection", used[0].ID)
	}
	s.vanish(drg, StateTerminating, StateTerminated)
	return nil
}

// CreateDrgAttachment joins a network to a gateway; a network has one at most.
func (s *State) CreateDrgAttachment(caller *User, details CreateDrgAttachmentDetails) (*DrgAttachment, error) {
	if (details.VcnID == "") == (details.NetworkDetails == nil) {
		return nil, ErrInvalid("A DRG attachment needs either vcnId or networkDetails")
	}
	if details.NetworkDetails != nil {
		details.VcnID = details.NetworkDetails.ID
	}
	drg, err := s.drgFor(caller, details.DrgID)
	if err != nil {
		return nil, err
	}
	vcn, err := s.vcnFor(caller, details.VcnID)
	if err != nil {
		return nil, err
	}
	if others := alive(s, func(a *DrgAttachment) bool { return a.VcnID == vcn.ID }); len(others) > 0 {
		return nil, ErrConflict("The VCN %s is already attached by %s", vcn.ID, others[0].ID)
	}
	attachment := &DrgAttachment{
		Meta:  s.newMeta("drgattachment", drg.CompartmentID, details.DisplayName, details.Tags),
		DrgID: drg.ID, VcnID: vcn.ID, NetworkDetails: DrgNetwork{Type: "VCN", ID: vcn.ID},
	}
	attachment.LifecycleState = StateAttaching
	put(s, attachment)
	s.settle(attachment, s.world.delays.Network, StateAttaching, StateAttached)
	return attachment, nil
}

// GetDrgAttachment describes an attachment.
func (s *State) GetDrgAttachment(caller *User, id string) (*DrgAttachment, error) {
	return get[*DrgAttachment](s, caller, id)
}

// ListDrgAttachments lists a compartment's attachments, optionally of one gateway.
func (s *State) ListDrgAttachments(caller *User, query ListQuery, drg string) ([]*DrgAttachment, string, error) {
	return list(s, caller, query, func(a *DrgAttachment) bool { return drg == "" || a.DrgID == drg })
}

// DeleteDrgAttachment takes a network off its gateway.
func (s *State) DeleteDrgAttachment(caller *User, id, ifMatch string) error {
	attachment, err := getAlive[*DrgAttachment](s, caller, id)
	if err != nil {
		return err
	}
	if err := checkDelete(attachment, ifMatch); err != nil {
		return err
	}
	s.vanish(attachment, StateDetaching, StateDetached)
	return nil
}

// CreateRemotePeering makes one end of a connection.
func (s *State) CreateRemotePeering(caller *User, details CreateRemotePeeringDetails) (*RemotePeering, error) {
	if err := s.checkCompartment(caller, details.CompartmentID); err != nil {
		return nil, err
	}
	drg, err := s.drgFor(caller, details.DrgID)
	if err != nil {
		return nil, err
	}
	peering := &RemotePeering{
		Meta:  s.newMeta("remotepeeringconnection", details.CompartmentID, details.DisplayName, details.Tags),
		DrgID: drg.ID, PeeringStatus: "NEW",
	}
	put(s, peering)
	s.settle(peering, s.world.delays.Network, StateProvisioning, StateAvailable)
	return peering, nil
}

// GetRemotePeering describes one end of a connection.
func (s *State) GetRemotePeering(caller *User, id string) (*RemotePeering, error) {
	return get[*RemotePeering](s, caller, id)
}

// ListRemotePeerings lists a compartment's connections, optionally of one gateway.
func (s *State) ListRemotePeerings(caller *User, query ListQuery, drg string) ([]*RemotePeering, string, error) {
	return list(s, caller, query, func(r *RemotePeering) bool { return drg == "" || r.DrgID == drg })
}

// ConnectRemotePeering joins two ends of one tenancy; both are PEERED after a while.
func (s *State) ConnectRemotePeering(caller *User, id string, details ConnectDetails) error {
	ends := [2]*RemotePeering{}
	for i, end := range [2]string{id, details.PeerID} {
		found, err := getAlive[*RemotePeering](s, caller, end)
		if err != nil {
			return err
		}
		if found.LifecycleState != StateAvailable || found.PeeringStatus != "NEW" {
			return ErrIncorrectState("The remote peering connection %s is %s and %s", end, found.LifecycleState, found.PeeringStatus)
		}
		ends[i] = found
	}
	if details.PeerRegionName != s.config.Region || ends[0].DrgID == ends[1].DrgID {
		return ErrInvalid("The peer %s must be in the region %s and on another DRG", details.PeerID, s.config.Region)
	}
	for i, end := range ends {
		end.PeeringStatus, end.PeerID, end.PeerRegionName = "PENDING", ends[1-i].ID, s.config.Region
		s.after(s.world.delays.Network, func() {
			if end.PeeringStatus == "PENDING" {
				end.PeeringStatus = "PEERED"
			}
		})
	}
	return nil
}

// DeleteRemotePeering removes one end; the other is REVOKED.
func (s *State) DeleteRemotePeering(caller *User, id, ifMatch string) error {
	peering, err := getAlive[*RemotePeering](s, caller, id)
	if err != nil {
		return err
	}
	if err := checkDelete(peering, ifMatch); err != nil {
		return err
	}
	for _, peer := range alive(s, func(r *RemotePeering) bool { return r.PeerID == id }) {
		peer.PeeringStatus = "REVOKED"
	}
	s.vanish(peering, StateTerminating, StateTerminated)
	return nil
}
