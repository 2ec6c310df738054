// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"strconv"
	"time"
)

// PortRange is a range of ports, both ends included.
type PortRange struct {
	Min int `json:"min" oci:"required"`
	Max int `json:"max" oci:"required"`
}

// PortOptions narrow a TCP or UDP rule.
type PortOptions struct {
	DestinationPortRange *PortRange `json:"destinationPortRange,omitempty"`
	SourcePortRange      *PortRange `json:"sourcePortRange,omitempty"`
}

// IcmpOptions narrow an ICMP rule.
type IcmpOptions struct {
	Type *int `json:"type" oci:"required"`
	Code *int `json:"code,omitempty"`
}

// SecurityRule is a rule as OCI gives it back.
type SecurityRule struct {
	ID              string       `json:"id,omitempty"`
	Direction       string       `json:"direction,omitempty"`
	Protocol        string       `json:"protocol"`
	Source          string       `json:"source,omitempty"`
	SourceType      string       `json:"sourceType,omitempty"`
	Destination     string       `json:"destination,omitempty"`
	DestinationType string       `json:"destinationType,omitempty"`
	IsStateless     bool         `json:"isStateless,omitempty"`
	IsValid         *bool        `json:"isValid,omitempty"`
	Description     string       `json:"description,omitempty"`
	TCPOptions      *PortOptions `json:"tcpOptions,omitempty"`
	UDPOptions      *PortOptions `json:"udpOptions,omitempty"`
	IcmpOptions     *IcmpOptions `json:"icmpOptions,omitempty"`
	TimeCreated     *time.Time   `json:"timeCreated,omitempty"`
}

// RuleDetails is a rule as AddNetworkSecurityGroupSecurityRules takes it;
// UpdateNetworkSecurityGroupSecurityRules adds the id.
type RuleDetails struct {
	ID              string       `json:"id"`
	Direction       string       `json:"direction" oci:"required" enum:"INGRESS|EGRESS"`
	Protocol        string       `json:"protocol" oci:"required"`
	Source          string       `json:"source"`
	SourceType      string       `json:"sourceType" enum:"CIDR_BLOCK|SERVICE_CIDR_BLOCK|NETWORK_SECURITY_GROUP"`
	Destination     string       `json:"destination"`
	DestinationType string       `json:"destinationType" enum:"CIDR_BLOCK|SERVICE_CIDR_BLOCK|NETWORK_SECURITY_GROUP"`
	IsStateless     bool         `json:"isStateless"`
	Description     string       `json:"description"`
	TCPOptions      *PortOptions `json:"tcpOptions"`
	UDPOptions      *PortOptions `json:"udpOptions"`
	IcmpOptions     *IcmpOptions `json:"icmpOptions"`
}

func (d RuleDetails) rule() SecurityRule {
	return SecurityRule{
		ID: d.ID, Direction: d.Direction, Protocol: d.Protocol, Source: d.Source, SourceType: d.SourceType,
		Destination: d.Destination, DestinationType: d.DestinationType, IsStateless: d.IsStateless,
		Description: d.Description, TCPOptions: d.TCPOptions, UDPOptions: d.UDPOptions, IcmpOptions: d.IcmpOptions,
	}
}

// checkRule refuses the combinations that oci-go-sdk core/add_security_rule_details.go forbids in
// words: the peer and its type belong to the direction, options to the protocol. vcn is the
// group's, for rules with another group.
func (s *State) checkRule(caller *User, vcn string, rule SecurityRule) error {
	peer, kind, other := rule.Source, rule.SourceType, rule.Destination
	side := "source"
	if rule.Direction == "EGRESS" {
		peer, kind, other, side = rule.Destination, rule.DestinationType, rule.Source, "destination"
	}
	if peer == "" {
		return ErrMissing(side)
	}
	if kind == "" {
		return ErrMissing(side + "Type")
	}
	if other != "" {
		return ErrInvalid("A rule of direction %s takes only a %s", rule.Direction, side)
	}
	if err := s.checkPeer(caller, vcn, side, peer, kind); err != nil {
		return err
	}
	return checkProtocol(rule)
}

func (s *State) checkPeer(caller *User, vcn, side, peer, kind string) error {
	switch kind {
	case "CIDR_BLOCK":
		_, err := parseCidr(side, peer, 0, 32)
		return err
	case "SERVICE_CIDR_BLOCK":
		if !slices.ContainsFunc(s.services, func(service Service) bool { return service.CidrBlock == peer }) {
			return ErrInvalid("%s '%s' is not a service CIDR", side, peer)
		}
		return nil
	}
	group, err := getAlive[*NetworkSecurityGroup](s, caller, peer)
	if err == nil && group.VcnID != vcn {
		return ErrInvalid("The network security group %s is not in the VCN %s", peer, vcn)
	}
	return err
}

func checkProtocol(rule SecurityRule) error {
	if number, err := strconv.Atoi(rule.Protocol); rule.Protocol != "all" && (err != nil || number < 0 || number > 255) {
		return ErrInvalid("protocol '%s' must be 'all' or an IP protocol number", rule.Protocol)
	}
	if rule.TCPOptions != nil && rule.Protocol != "6" {
		return ErrInvalid("tcpOptions need the protocol 6")
	}
	if rule.UDPOptions != nil && rule.Protocol != "17" {
		return ErrInvalid("udpOptions need the protocol 17")
	}
	if rule.IcmpOptions != nil && rule.Protocol != "1" && rule.Protocol != "58" {
		return ErrInvalid("icmpOptions need the protocol 1 or 58")
	}
	if rule.IcmpOptions != nil && (*rule.IcmpOptions.Type < 0 || *rule.IcmpOptions.Type > 255) {
		return ErrInvalid("The ICMP type %d is not valid", *rule.IcmpOptions.Type)
	}
	for _, options := range []*PortOptions{rule.TCPOptions, rule.UDPOptions} {
		if options == nil {
			continue
		}
		for _, ports := range []*PortRange{options.SourcePortRange, options.DestinationPortRange} {
			if ports != nil && (ports.Min < 1 || ports.Max > 65535 || ports.Min > ports.Max) {
				return ErrInvalid("The port range %d-%d is not valid", ports.Min, ports.Max)
			}
		}
	}
	return nil
}
