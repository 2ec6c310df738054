// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/http"
)

// InternetGateway is OCI's internet gateway.
type InternetGateway struct {
	Meta
	VcnID        string `json:"vcnId"`
	IsEnabled    bool   `json:"isEnabled"`
	RouteTableID string `json:"routeTableId,omitempty"`
}

// NatGateway is OCI's NAT gateway.
type NatGateway struct {
	Meta
	VcnID        string `json:"vcnId"`
	BlockTraffic bool   `json:"blockTraffic"`
	NatIP        string `json:"natIp"`
	PublicIPID   string `json:"publicIpId"`
	RouteTableID string `json:"routeTableId,omitempty"`
}

// CreateInternetGatewayDetails is the body of CreateInternetGateway.
type CreateInternetGatewayDetails struct {
	CompartmentID string `json:"compartmentId" oci:"required"`
	VcnID         string `json:"vcnId" oci:"required"`
	IsEnabled     *bool  `json:"isEnabled" oci:"required"`
	DisplayName   string `json:"displayName"`
	RouteTableID  string `json:"routeTableId"`
	Tags
}

// CreateNatGatewayDetails is the body of CreateNatGateway.
type CreateNatGatewayDetails struct {
	CompartmentID string `json:"compartmentId" oci:"required"`
	VcnID         string `json:"vcnId" oci:"required"`
	BlockTraffic  bool   `json:"blockTraffic"`
	PublicIPID    string `json:"publicIpId"`
	DisplayName   string `json:"displayName"`
	RouteTableID  string `json:"routeTableId"`
	Tags
}

// UpdateGatewayDetails is the body of UpdateInternetGateway and UpdateNatGateway;
// isEnabled belongs to the first, blockTraffic to the second.
type UpdateGatewayDetails struct {
	DisplayName  *string `json:"displayName"`
	IsEnabled    *bool   `json:"isEnabled"`
	BlockTraffic *bool   `json:"blockTraffic"`
	RouteTableID *string `json:"routeTableId"`
	Tags
}

// gatewaysOf counts a network's gateways of all kinds.
func (s *State) gatewaysOf(vcn string) int {
	return len(alive(s, func(g *InternetGateway) bool { return g.VcnID == vcn })) +
		len(alive(s, func(g *NatGateway) bool { return g.VcnID == vcn })) +
		len(alive(s, func(g *ServiceGateway) bool { return g.VcnID == vcn }))
}

// gatewayVcn checks the requirements of all gateways: a compartment, an AVAILABLE network, and a
// route table of it, when one is given.
func (s *State) gatewayVcn(caller *User, compartment, vcn, table string) error {
	if err := s.checkCompartment(caller, compartment); err != nil {
		return err
	}
	if _, err := s.vcnFor(caller, vcn); err != nil {
		return err
	}
	if table == "" {
		return nil
	}
	found, err := getAlive[*RouteTable](s, caller, table)
	if err == nil && found.VcnID != vcn {
		return ErrInvalid("The route table %s is not in the VCN %s", table, vcn)
	}
	return err
}

// CreateInternetGateway makes a network's one internet gateway.
func (s *State) CreateInternetGateway(caller *User, details CreateInternetGatewayDetails) (*InternetGateway, error) {
	if err := s.gatewayVcn(caller, details.CompartmentID, details.VcnID, details.RouteTableID); err != nil {
		return nil, err
	}
	if len(alive(s, func(g *InternetGateway) bool { return g.VcnID == details.VcnID })) > 0 {
		return nil, &Error{Status: http.StatusBadRequest, Code: "LimitExceeded", Message: "The following service limits were exceeded: " +
			"internet-gateway-count. Request a service limit increase from the service limits page in the console. "}
	}
	gateway := &InternetGateway{
		Meta:  s.newMeta("internetgateway", details.CompartmentID, details.DisplayName, details.Tags),
		VcnID: details.VcnID, IsEnabled: *details.IsEnabled, RouteTableID: details.RouteTableID,
	}
	put(s, gateway)
	s.appear(gateway)
	return gateway, nil
}

// GetInternetGateway describes an internet gateway.
func (s *State) GetInternetGateway(caller *User, id string) (*InternetGateway, error) {
	return get[*InternetGateway](s, caller, id)
}

// ListInternetGateways lists a compartment's internet gateways, optionally of one network.
func (s *State) ListInternetGateways(caller *User, query ListQuery, vcn string) ([]*InternetGateway, string, error) {
	return list(s, caller, query, func(g *InternetGateway) bool { return vcn == "" || g.VcnID == vcn })
}

// UpdateInternetGateway changes a gateway in place.
func (s *State) UpdateInternetGateway(caller *User, id, ifMatch string, details UpdateGatewayDetails) (*InternetGateway, error) {
	gateway, err := getAlive[*InternetGateway](s, caller, id)
	if err != nil {
		return nil, err
	}
	if err := checkMatch(gateway, ifMatch); err != nil {
		return nil, err
	}
	if details.BlockTraffic != nil {
		return nil, ErrCannotParse("Unrecognized field: blockTraffic")
	}
	if details.IsEnabled != nil {
		gateway.IsEnabled = *details.IsEnabled
	}
	gateway.update(details.DisplayName, details.Tags)
	return gateway, nil
}

// DeleteInternetGateway removes a gateway without a route rule to it.
func (s *State) DeleteInternetGateway(caller *User, id, ifMatch string) error {
	gateway, err := getAlive[*InternetGateway](s, caller, id)
	if err != nil {
		return err
	}
	return s.deleteGateway(gateway, "InternetGateway", ifMatch)
}

func (s *State) deleteGateway(gateway stored, kind, ifMatch string) error {
	if err := checkDelete(gateway, ifMatch); err != nil {
		return err
	}
	id := gateway.meta().ID
	if tables := s.tablesTo(id); len(tables) > 0 {
		return ErrConflict("The %s %s is referenced by the RouteTable %s. You must remove the reference to proceed with this operation.", kind, id, tables[0].ID)
	}
	s.vanish(gateway, StateTerminating, StateTerminated)
	return nil
}

// CreateNatGateway makes a network's one NAT gateway.
func (s *State) CreateNatGateway(caller *User, details CreateNatGatewayDetails) (*NatGateway, error) {
	if err := s.gatewayVcn(caller, details.CompartmentID, details.VcnID, details.RouteTableID); err != nil {
		return nil, err
	}
	if details.PublicIPID != "" {
		// No reserved public IP exists in the simulator, so none can be found.
		return nil, ErrNotFound()
	}
	if len(alive(s, func(g *NatGateway) bool { return g.VcnID == details.VcnID })) > 0 {
		return nil, &Error{Status: http.StatusBadRequest, Code: "LimitExceeded", Message: "NAT gateway limit per VCN reached"}
	}
	gateway := &NatGateway{
		Meta:  s.newMeta("natgateway", details.CompartmentID, details.DisplayName, details.Tags),
		VcnID: details.VcnID, BlockTraffic: details.BlockTraffic, RouteTableID: details.RouteTableID,
		NatIP: s.newPublicIP(), PublicIPID: NewOCID("publicip", s.config.Region),
	}
	put(s, gateway)
	s.appear(gateway)
	return gateway, nil
}

// GetNatGateway describes a NAT gateway.
func (s *State) GetNatGateway(caller *User, id string) (*NatGateway, error) {
	return get[*NatGateway](s, caller, id)
}

// ListNatGateways lists a compartment's NAT gateways, optionally of one network.
func (s *State) ListNatGateways(caller *User, query ListQuery, vcn string) ([]*NatGateway, string, error) {
	return list(s, caller, query, func(g *NatGateway) bool { return vcn == "" || g.VcnID == vcn })
}

// UpdateNatGateway changes a gateway in place.
func (s *State) UpdateNatGateway(caller *User, id, ifMatch string, details UpdateGatewayDetails) (*NatGateway, error) {
	gateway, err := getAlive[*NatGateway](s, caller, id)
	if err != nil {
		return nil, err
	}
	if err := checkMatch(gateway, ifMatch); err != nil {
		return nil, err
	}
	if details.IsEnabled != nil {
		return nil, ErrCannotParse("Unrecognized field: isEnabled")
	}
	if details.BlockTraffic != nil {
		gateway.BlockTraffic = *details.BlockTraffic
	}
	gateway.update(details.DisplayName, details.Tags)
	return gateway, nil
}

// DeleteNatGateway removes a gateway without a route rule to it.
func (s *State) DeleteNatGateway(caller *User, id, ifMatch string) error {
	gateway, err := getAlive[*NatGateway](s, caller, id)
	if err != nil {
		return err
	}
	return s.deleteGateway(gateway, "NatGateway", ifMatch)
}
