// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import "slices"

// SecurityList is OCI's security list.
type SecurityList struct {
	Meta
	VcnID                string         `json:"vcnId"`
	IngressSecurityRules []SecurityRule `json:"ingressSecurityRules"`
	EgressSecurityRules  []SecurityRule `json:"egressSecurityRules"`
}

// CreateSecurityListDetails is the body of CreateSecurityList.
type CreateSecurityListDetails struct {
	CompartmentID        string     `json:"compartmentId" oci:"required"`
	VcnID                string     `json:"vcnId" oci:"required"`
	IngressSecurityRules []ListRule `json:"ingressSecurityRules" oci:"required"`
	EgressSecurityRules  []ListRule `json:"egressSecurityRules" oci:"required"`
	DisplayName          string     `json:"displayName"`
	Tags
}

// UpdateSecurityListDetails is the body of UpdateSecurityList.
type UpdateSecurityListDetails struct {
	IngressSecurityRules []ListRule `json:"ingressSecurityRules"`
	EgressSecurityRules  []ListRule `json:"egressSecurityRules"`
	DisplayName          *string    `json:"displayName"`
	Tags
}

// ListRule is a rule of a security list: the direction follows from the list it stands in.
type ListRule struct {
	Protocol        string       `json:"protocol" oci:"required"`
	Source          string       `json:"source"`
	SourceType      string       `json:"sourceType" enum:"CIDR_BLOCK|SERVICE_CIDR_BLOCK"`
	Destination     string       `json:"destination"`
	DestinationType string       `json:"destinationType" enum:"CIDR_BLOCK|SERVICE_CIDR_BLOCK"`
	IsStateless     bool         `json:"isStateless,omitempty"`
	Description     string       `json:"description"`
	TCPOptions      *PortOptions `json:"tcpOptions"`
	UDPOptions      *PortOptions `json:"udpOptions"`
	IcmpOptions     *IcmpOptions `json:"icmpOptions"`
}

func defaultIngress(vcn *Vcn) []SecurityRule {
	three, four := 3, 4
	return []SecurityRule{
		{Protocol: "6", Source: "0.0.0.0/0", SourceType: "CIDR_BLOCK", TCPOptions: &PortOptions{DestinationPortRange: &PortRange{Min: 22, Max: 22}}},
		{Protocol: "1", Source: "0.0.0.0/0", SourceType: "CIDR_BLOCK", IcmpOptions: &IcmpOptions{Type: &three, Code: &four}},
		{Protocol: "1", Source: vcn.CidrBlock, SourceType: "CIDR_BLOCK", IcmpOptions: &IcmpOptions{Type: &three}},
	}
}

func defaultEgress() []SecurityRule {
	return []SecurityRule{{Protocol: "all", Destination: "0.0.0.0/0", DestinationType: "CIDR_BLOCK"}}
}

func (s *State) newSecurityList(vcn *Vcn, compartment, name string, tags Tags, ingress, egress []SecurityRule) *SecurityList {
	list := &SecurityList{Meta: s.newMeta("securitylist", compartment, name, tags), VcnID: vcn.ID,
		IngressSecurityRules: ingress, EgressSecurityRules: egress}
	put(s, list)
	s.appear(list)
	return list
}

func (s *State) listRules(caller *User, direction string, rules []ListRule) ([]SecurityRule, error) {
	checked := []SecurityRule{}
	for _, rule := range rules {
		// A security list's rule may leave its type out: CIDR_BLOCK is the default there.
		if direction == "INGRESS" && rule.SourceType == "" {
			rule.SourceType = "CIDR_BLOCK"
		}
		if direction == "EGRESS" && rule.DestinationType == "" {
			rule.DestinationType = "CIDR_BLOCK"
		}
		full := SecurityRule{
			Direction: direction, Protocol: rule.Protocol, Source: rule.Source, SourceType: rule.SourceType,
			Destination: rule.Destination, DestinationType: rule.DestinationType, IsStateless: rule.IsStateless,
			Description: rule.Description, TCPOptions: rule.TCPOptions, UDPOptions: rule.UDPOptions, IcmpOptions: rule.IcmpOptions,
		}
		if err := s.checkRule(caller, "", full); err != nil {
			return nil, err
		}
		full.Direction = ""
		checked = append(checked, full)
	}
	return checked, nil
}

// CreateSecurityList makes a security list in an AVAILABLE network.
func (s *State) CreateSecurityList(caller *User, details CreateSecurityListDetails) (*SecurityList, error) {
	if err := s.checkCompartment(caller, details.CompartmentID); err != nil {
		return nil, err
	}
	vcn, err := s.vcnFor(caller, details.VcnID)
	if err != nil {
		return nil, err
	}
	ingress, err := s.listRules(caller, "INGRESS", details.IngressSecurityRules)
	if err != nil {
		return nil, err
	}
	egress, err := s.listRules(caller, "EGRESS", details.EgressSecurityRules)
	if err != nil {
		return nil, err
	}
	return s.newSecurityList(vcn, details.CompartmentID, details.DisplayName, details.Tags, ingress, egress), nil
}

// GetSecurityList describes a security list.
func (s *State) GetSecurityList(caller *User, id string) (*SecurityList, error) {
	return get[*SecurityList](s, caller, id)
}

// ListSecurityLists lists a compartment's security lists, optionally of one network.
func (s *State) ListSecurityLists(caller *User, query ListQuery, vcn string) ([]*SecurityList, string, error) {
	return list(s, caller, query, func(l *SecurityList) bool { return vcn == "" || l.VcnID == vcn })
}

// UpdateSecurityList replaces the rules, when given.
func (s *State) UpdateSecurityList(caller *User, id, ifMatch string, details UpdateSecurityListDetails) (*SecurityList, error) {
	list, err := getAlive[*SecurityList](s, caller, id)
	if err != nil {
		return nil, err
	}
	if err := checkMatch(list, ifMatch); err != nil {
		return nil, err
	}
	ingress, err := s.listRules(caller, "INGRESS", details.IngressSecurityRules)
	if err != nil {
		return nil, err
	}
	egress, err := s.listRules(caller, "EGRESS", details.EgressSecurityRules)
	if err != nil {
		return nil, err
	}
	if details.IngressSecurityRules != nil {
		list.IngressSecurityRules = ingress
	}
	if details.EgressSecurityRules != nil {
		list.EgressSecurityRules = egress
	}
	list.update(details.DisplayName, details.Tags)
	return list, nil
}

// DeleteSecurityList removes a list, unless it is a network's default or used by a subnet.
func (s *State) DeleteSecurityList(caller *User, id, ifMatch string) error {
	list, err := getAlive[*SecurityList](s, caller, id)
	if err != nil {
		return err
	}
	if err := checkDelete(list, ifMatch); err != nil {
		return err
	}
	if vcn, ok := s.items[list.VcnID].(*Vcn); ok && vcn.DefaultSecurityListID == id {
		return ErrIncorrectState("%s is the default security list of the VCN %s and cannot be deleted", id, vcn.ID)
	}
	if subnets := alive(s, func(n *Subnet) bool { return slices.Contains(n.SecurityListIDs, id) }); len(subnets) > 0 {
		return ErrReferenced("SecurityList", id, "Subnet", subnets[0].ID)
	}
	s.vanish(list, StateTerminating, StateTerminated)
	return nil
}
