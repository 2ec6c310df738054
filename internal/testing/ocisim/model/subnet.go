// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/netip"
	"strings"
)

// Subnet is OCI's subnet.
type Subnet struct {
	Meta
	VcnID                   string   `json:"vcnId"`
	AvailabilityDomain      string   `json:"availabilityDomain,omitempty"`
	CidrBlock               string   `json:"cidrBlock"`
	Ipv4CidrBlocks          []string `json:"ipv4CidrBlocks"`
	DhcpOptionsID           string   `json:"dhcpOptionsId"`
	DNSLabel                string   `json:"dnsLabel,omitempty"`
	SubnetDomainName        string   `json:"subnetDomainName,omitempty"`
	ProhibitInternetIngress bool     `json:"prohibitInternetIngress"`
	ProhibitPublicIPOnVnic  bool     `json:"prohibitPublicIpOnVnic"`
	RouteTableID            string   `json:"routeTableId"`
	SecurityListIDs         []string `json:"securityListIds"`
	VirtualRouterIP         string   `json:"virtualRouterIp"`
	VirtualRouterMac        string   `json:"virtualRouterMac"`
}

// CreateSubnetDetails is the body of CreateSubnet.
type CreateSubnetDetails struct {
	CompartmentID           string   `json:"compartmentId" oci:"required"`
	VcnID                   string   `json:"vcnId" oci:"required"`
	AvailabilityDomain      string   `json:"availabilityDomain"`
	CidrBlock               string   `json:"cidrBlock"`
	Ipv4CidrBlocks          []string `json:"ipv4CidrBlocks"`
	DisplayName             string   `json:"displayName"`
	DNSLabel                string   `json:"dnsLabel"`
	Ipv6CidrBlock           string   `json:"ipv6CidrBlock"`
	Ipv6CidrBlocks          []string `json:"ipv6CidrBlocks"`
	ProhibitInternetIngress *bool    `json:"prohibitInternetIngress"`
	ProhibitPublicIPOnVnic  *bool    `json:"prohibitPublicIpOnVnic"`
	RouteTableID            string   `json:"routeTableId"`
	SecurityListIDs         []string `json:"securityListIds"`
	Tags
}

// UpdateSubnetDetails is the body of UpdateSubnet.
type UpdateSubnetDetails struct {
	DisplayName     *string  `json:"displayName"`
	RouteTableID    *string  `json:"routeTableId"`
	SecurityListIDs []string `json:"securityListIds"`
	CidrBlock       *string  `json:"cidrBlock"`
	Ipv6CidrBlock   *string  `json:"ipv6CidrBlock"`
	Ipv6CidrBlocks  []string `json:"ipv6CidrBlocks"`
	Tags
}

// CreateSubnet makes a subnet in an AVAILABLE network.
func (s *State) CreateSubnet(caller *User, details CreateSubnetDetails) (*Subnet, error) {
	if err := s.checkCompartment(caller, details.CompartmentID); err != nil {
		return nil, err
	}
	vcn, err := s.vcnFor(caller, details.VcnID)
	if err != nil {
		return nil, err
	}
	if details.CidrBlock == "" && len(details.Ipv4CidrBlocks) == 1 {
		details.CidrBlock = details.Ipv4CidrBlocks[0]
	}
	if details.CidrBlock == "" {
		return nil, ErrMissing("cidrBlock")
	}
	if len(details.Ipv4CidrBlocks) > 1 || details.Ipv6CidrBlock != "" || len(details.Ipv6CidrBlocks) > 0 {
		return nil, ErrInvalid("Several CIDR blocks in one subnet, and IPv6, are not simulated")
	}
	prefix, err := s.subnetPrefix(vcn, details.CidrBlock, "")
	if err != nil {
		return nil, err
	}
	if details.AvailabilityDomain != "" && !s.hasAD(details.AvailabilityDomain) {
		return nil, ErrInvalid("availabilityDomain '%s' is not valid", details.AvailabilityDomain)
	}
	if err := s.checkSubnetDNS(vcn, details.DNSLabel); err != nil {
		return nil, err
	}
	subnet := &Subnet{
		Meta: s.newMeta("subnet", details.CompartmentID, details.DisplayName, details.Tags), VcnID: vcn.ID,
		AvailabilityDomain: details.AvailabilityDomain, CidrBlock: details.CidrBlock, Ipv4CidrBlocks: []string{details.CidrBlock},
		DhcpOptionsID: vcn.DefaultDhcpOptionsID, DNSLabel: details.DNSLabel,
		RouteTableID: vcn.DefaultRouteTableID, SecurityListIDs: []string{vcn.DefaultSecurityListID},
		VirtualRouterIP: prefix.Addr().Next().String(), VirtualRouterMac: "00:00:17:00:00:01",
	}
	if subnet.DNSLabel != "" {
		subnet.SubnetDomainName = subnet.DNSLabel + "." + vcn.VcnDomainName
	}
	if err := subnet.setIngress(details); err != nil {
		return nil, err
	}
	if err := s.setSubnetReferences(caller, subnet, &details.RouteTableID, details.SecurityListIDs); err != nil {
		return nil, err
	}
	put(s, subnet)
	s.settle(subnet, s.world.delays.Network, StateProvisioning, StateAvailable)
	return subnet, nil
}

// setIngress applies the two flags with the same meaning for IPv4: only one should be given
// (oci-go-sdk core/create_subnet_details.go), so two different ones are refused.
func (n *Subnet) setIngress(details CreateSubnetDetails) error {
	ingress, public := details.ProhibitInternetIngress, details.ProhibitPublicIPOnVnic
	if ingress != nil && public != nil && *ingress != *public {
		return ErrInvalid("prohibitInternetIngress and prohibitPublicIpOnVnic must have the same value")
	}
	prohibited := (ingress != nil && *ingress) || (public != nil && *public)
	n.ProhibitInternetIngress, n.ProhibitPublicIPOnVnic = prohibited, prohibited
	return nil
}

// subnetPrefix refuses a CIDR outside of the network or overlapping another subnet.
func (s *State) subnetPrefix(vcn *Vcn, text, except string) (netip.Prefix, error) {
	prefix, err := parseCidr("cidrBlock", text, 16, 30)
	if err != nil {
		return prefix, err
	}
	inside := false
	for _, block := range vcn.CidrBlocks {
		outer := netip.MustParsePrefix(block)
		inside = inside || (outer.Contains(prefix.Addr()) && outer.Bits() <= prefix.Bits())
	}
	if !inside {
		return prefix, ErrInvalid("The requested CIDR %s is not within the CIDR blocks of the VCN %s", text, vcn.ID)
	}
	for _, other := range alive(s, func(n *Subnet) bool { return n.VcnID == vcn.ID && n.ID != except }) {
		if netip.MustParsePrefix(other.CidrBlock).Overlaps(prefix) {
			return prefix, ErrInvalid("The requested CIDR %s is invalid: subnet %s with CIDR %s overlaps with this CIDR", text, other.ID, other.CidrBlock)
		}
	}
	return prefix, nil
}

func (s *State) checkSubnetDNS(vcn *Vcn, label string) error {
	if label == "" {
		return nil
	}
	if vcn.DNSLabel == "" {
		return ErrInvalid("dnsLabel cannot be set: the VCN %s has no DNS label", vcn.ID)
	}
	if !dnsLabel.MatchString(label) {
		return ErrInvalid("dnsLabel '%s' must be alphanumeric, begin with a letter and have at most 15 characters", label)
	}
	if same := alive(s, func(n *Subnet) bool { return n.VcnID == vcn.ID && strings.EqualFold(n.DNSLabel, label) }); len(same) > 0 {
		return ErrInvalid("dnsLabel '%s' is already used in the VCN %s", label, vcn.ID)
	}
	return nil
}

func (s *State) setSubnetReferences(caller *User, subnet *Subnet, table *string, lists []string) error {
	if table != nil && *table != "" {
		found, err := getAlive[*RouteTable](s, caller, *table)
		if err != nil {
			return s.related(err)
		}
		if found.VcnID != subnet.VcnID {
			return ErrInvalid("The route table %s is not in the VCN %s", *table, subnet.VcnID)
		}
		subnet.RouteTableID = *table
	}
	if len(lists) > 5 {
		return ErrInvalid("A subnet can have at most 5 security lists")
	}
	for _, id := range lists {
		found, err := getAlive[*SecurityList](s, caller, id)
		if err != nil {
			return s.related(err)
		}
		if found.VcnID != subnet.VcnID {
			return ErrInvalid("The security list %s is not in the VCN %s", id, subnet.VcnID)
		}
	}
	if lists != nil {
		subnet.SecurityListIDs = lists
	}
	return nil
}

// GetSubnet describes a subnet.
func (s *State) GetSubnet(caller *User, id string) (*Subnet, error) {
	return get[*Subnet](s, caller, id)
}

// ListSubnets lists a compartment's subnets, optionally of one network.
func (s *State) ListSubnets(caller *User, query ListQuery, vcn string) ([]*Subnet, string, error) {
	return list(s, caller, query, func(n *Subnet) bool { return vcn == "" || n.VcnID == vcn })
}

// UpdateSubnet changes a subnet in place.
func (s *State) UpdateSubnet(caller *User, id, ifMatch string, details UpdateSubnetDetails) (*Subnet, error) {
	subnet, err := getAlive[*Subnet](s, caller, id)
	if err != nil {
		return nil, err
	}
	if err := checkMatch(subnet, ifMatch); err != nil {
		return nil, err
	}
	if details.CidrBlock != nil && *details.CidrBlock != subnet.CidrBlock {
		return nil, ErrInvalid("Changing the CIDR block of a subnet is not simulated")
	}
	if err := s.setSubnetReferences(caller, subnet, details.RouteTableID, details.SecurityListIDs); err != nil {
		return nil, err
	}
	subnet.update(details.DisplayName, details.Tags)
	return subnet, nil
}

// DeleteSubnet removes a subnet without VNICs and load balancers.
func (s *State) DeleteSubnet(caller *User, id, ifMatch string) error {
	subnet, err := getAlive[*Subnet](s, caller, id)
	if err != nil {
		return err
	}
	if err := checkDelete(subnet, ifMatch); err != nil {
		return err
	}
	if vnics := alive(s, func(v *Vnic) bool { return v.SubnetID == id }); len(vnics) > 0 {
		return ErrReferenced("Subnet", id, "VNIC", vnics[0].ID)
	}
	if balancers := alive(s, func(n *NetworkLoadBalancer) bool { return n.SubnetID == id }); len(balancers) > 0 {
		return ErrReferenced("Subnet", id, "service VNIC", balancers[0].ID)
	}
	if balancers := alive(s, func(l *LoadBalancer) bool { return l.SubnetIDs[0] == id }); len(balancers) > 0 {
		return ErrReferenced("Subnet", id, "service VNIC", balancers[0].ID)
	}
	s.vanish(subnet, StateTerminating, StateTerminated)
	return nil
}
