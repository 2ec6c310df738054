// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/netip"
	"regexp"
)

// Vcn is OCI's virtual cloud network.
type Vcn struct {
	Meta
	CidrBlock             string   `json:"cidrBlock"`
	CidrBlocks            []string `json:"cidrBlocks"`
	DNSLabel              string   `json:"dnsLabel,omitempty"`
	VcnDomainName         string   `json:"vcnDomainName,omitempty"`
	DefaultRouteTableID   string   `json:"defaultRouteTableId"`
	DefaultSecurityListID string   `json:"defaultSecurityListId"`
	DefaultDhcpOptionsID  string   `json:"defaultDhcpOptionsId"`
}

// CreateVcnDetails is the body of CreateVcn.
type CreateVcnDetails struct {
	CompartmentID         string   `json:"compartmentId" oci:"required"`
	CidrBlock             string   `json:"cidrBlock"`
	CidrBlocks            []string `json:"cidrBlocks"`
	Ipv6PrivateCidrBlocks []string `json:"ipv6PrivateCidrBlocks"`
	Byoipv6CidrDetails    []any    `json:"byoipv6CidrDetails"`
	DisplayName           string   `json:"displayName"`
	DNSLabel              string   `json:"dnsLabel"`
	IsIpv6Enabled         bool     `json:"isIpv6Enabled"`
	Tags
}

// UpdateDetails is the body of updates changing only name and tags.
type UpdateDetails struct {
	DisplayName *string `json:"displayName"`
	Tags
}

func (m *Meta) update(name *string, tags Tags) {
	if name != nil {
		m.DisplayName = *name
	}
	m.setTags(tags)
	m.revision++
}

var dnsLabel = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9]{0,14}$`)

// parseCidr refuses anything but an IPv4 prefix of the allowed length, and one with host bits set.
func parseCidr(name, text string, shortest, longest int) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil || !prefix.Addr().Is4() || prefix.Masked() != prefix {
		return netip.Prefix{}, ErrInvalid("%s '%s' is not a valid CIDR block", name, text)
	}
	if prefix.Bits() < shortest || prefix.Bits() > longest {
		return netip.Prefix{}, ErrInvalid("%s '%s' must have a prefix length between /%d and /%d", name, text, shortest, longest)
	}
	return prefix, nil
}

// parseCidrs takes a network's CIDR list: /16 to /30, no two overlapping
// (docs.oracle.com, Network/Concepts/overview.htm).
func parseCidrs(name string, texts []string) ([]netip.Prefix, error) {
	var prefixes []netip.Prefix
	for _, text := range texts {
		prefix, err := parseCidr(name, text, 16, 30)
		if err != nil {
			return nil, err
		}
		for _, other := range prefixes {
			if other.Overlaps(prefix) {
				return nil, ErrInvalid("The CIDR blocks %s and %s overlap", other, prefix)
			}
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, nil
}

// CreateVcn makes a network with its default route table, security list and DHCP options.
func (s *State) CreateVcn(caller *User, details CreateVcnDetails) (*Vcn, error) {
	if err := s.checkCompartment(caller, details.CompartmentID); err != nil {
		return nil, err
	}
	blocks := details.CidrBlocks
	if details.CidrBlock != "" {
		if len(blocks) > 0 {
			return nil, ErrInvalid("cidrBlock and cidrBlocks exclude each other")
		}
		blocks = []string{details.CidrBlock}
	}
	if len(blocks) == 0 {
		return nil, ErrMissing("cidrBlocks")
	}
	if _, err := parseCidrs("cidrBlocks", blocks); err != nil {
		return nil, err
	}
	if details.IsIpv6Enabled || len(details.Ipv6PrivateCidrBlocks)+len(details.Byoipv6CidrDetails) > 0 {
		return nil, ErrInvalid("IPv6 is not simulated")
	}
	if details.DNSLabel != "" && !dnsLabel.MatchString(details.DNSLabel) {
		return nil, ErrInvalid("dnsLabel '%s' must be alphanumeric, begin with a letter and have at most 15 characters", details.DNSLabel)
	}
	if err := s.checkLimits(details.CompartmentID, "", demand{"vcn-count": 1}); err != nil {
		return nil, err
	}
	vcn := &Vcn{
		Meta: s.newMeta("vcn", details.CompartmentID, details.DisplayName, details.Tags), CidrBlock: blocks[0], CidrBlocks: blocks,
		DNSLabel: details.DNSLabel, DefaultDhcpOptionsID: NewOCID("dhcpoptions", s.config.Region),
	}
	if vcn.DNSLabel != "" {
		vcn.VcnDomainName = vcn.DNSLabel + ".oraclevcn.com"
	}
	put(s, vcn)
	s.appear(vcn)
	table := s.newRouteTable(vcn, vcn.CompartmentID, "Default Route Table for "+vcn.DisplayName, Tags{}, []RouteRule{})
	list := s.newSecurityList(vcn, vcn.CompartmentID, "Default Security List for "+vcn.DisplayName, Tags{}, defaultIngress(vcn), defaultEgress())
	vcn.DefaultRouteTableID, vcn.DefaultSecurityListID = table.ID, list.ID
	return vcn, nil
}

// GetVcn describes a network.
func (s *State) GetVcn(caller *User, id string) (*Vcn, error) { return get[*Vcn](s, caller, id) }

// ListVcns lists a compartment's networks.
func (s *State) ListVcns(caller *User, query ListQuery) ([]*Vcn, string, error) {
	return list(s, caller, query, func(*Vcn) bool { return true })
}

// UpdateVcn changes name and tags.
func (s *State) UpdateVcn(caller *User, id, ifMatch string, details UpdateDetails) (*Vcn, error) {
	vcn, err := getAlive[*Vcn](s, caller, id)
	if err != nil {
		return nil, err
	}
	if err := checkMatch(vcn, ifMatch); err != nil {
		return nil, err
	}
	vcn.update(details.DisplayName, details.Tags)
	return vcn, nil
}

// DeleteVcn removes an empty network: gateways answer IncorrectState (wording:
// oracle/oci-cli issue 1108), everything else Conflict.
func (s *State) DeleteVcn(caller *User, id, ifMatch string) error {
	vcn, err := s.deletable(caller, id, ifMatch)
	if err != nil {
		return err
	}
	if s.gatewaysOf(id) > 0 {
		return ErrIncorrectState("%s is associated with Gateway that is in use", id)
	}
	if joined := alive(s, func(a *DrgAttachment) bool { return a.VcnID == id }); len(joined) > 0 {
		return ErrReferenced("VCN", id, "DrgAttachment", joined[0].ID)
	}
	if subnets := alive(s, func(n *Subnet) bool { return n.VcnID == id }); len(subnets) > 0 {
		return ErrReferenced("VCN", id, "Subnet", subnets[0].ID)
	}
	if groups := alive(s, func(g *NetworkSecurityGroup) bool { return g.VcnID == id }); len(groups) > 0 {
		return ErrReferenced("VCN", id, "NetworkSecurityGroup", groups[0].ID)
	}
	tables := alive(s, func(t *RouteTable) bool { return t.VcnID == id })
	for _, table := range tables {
		if table.ID != vcn.DefaultRouteTableID {
			return ErrReferenced("VCN", id, "RouteTable", table.ID)
		}
		if len(table.RouteRules) > 0 {
			return ErrIncorrectState("%s is associated with Route Rules that are in use", id)
		}
	}
	lists := alive(s, func(l *SecurityList) bool { return l.VcnID == id })
	for _, list := range lists {
		if list.ID != vcn.DefaultSecurityListID {
			return ErrReferenced("VCN", id, "SecurityList", list.ID)
		}
	}
	s.vanish(vcn, StateTerminating, StateTerminated)
	for _, table := range tables {
		s.vanish(table, StateTerminating, StateTerminated)
	}
	for _, list := range lists {
		s.vanish(list, StateTerminating, StateTerminated)
	}
	return nil
}

func (s *State) deletable(caller *User, id, ifMatch string) (*Vcn, error) {
	vcn, err := getAlive[*Vcn](s, caller, id)
	if err != nil {
		return nil, err
	}
	if err := checkDelete(vcn, ifMatch); err != nil {
		return nil, err
	}
	return vcn, nil
}

// checkDelete refuses a stale if-match and a resource already on its way out.
func checkDelete(item stored, ifMatch string) error {
	if state := item.meta().LifecycleState; state == StateTerminating || state == StateDeleting || state == StateDetaching {
		return ErrIncorrectState("The resource %s is in the state %s", item.meta().ID, state)
	}
	return checkMatch(item, ifMatch)
}

// vcnFor finds the network for a new resource; it must not be on its way out.
func (s *State) vcnFor(caller *User, id string) (*Vcn, error) {
	vcn, err := getAlive[*Vcn](s, caller, id)
	if err == nil && vcn.LifecycleState == StateTerminating {
		return nil, ErrIncorrectState("The VCN %s is in the state %s", id, vcn.LifecycleState)
	}
	return vcn, err
}
