// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"net/netip"
	"slices"

	"github.com/oracle/oci-go-sdk/v65/core"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// ruleBatch is how many rules OCI adds to or removes from a network security group in one call.
// Source: OCI documentation, "Network Security Groups".
const ruleBatch = 25

// Direction of the traffic admitted by a rule.
type Direction string

// The two directions.
const (
	Ingress Direction = "INGRESS"
	Egress  Direction = "EGRESS"
)

// IP protocol numbers, as rules name them.
const (
	ProtocolAll  = "all"
	ProtocolICMP = "1"
	ProtocolTCP  = "6"
	ProtocolUDP  = "17"
)

// AnyICMPCode is the ICMPMatch.Code matching every code of the type.
const AnyICMPCode = -1

// SecurityRule admits traffic to or from the VNICs of a network security group.
type SecurityRule struct {
	// ID is given by OCI, short, and unique within the group.
	ID        string
	Direction Direction
	// Protocol is a number or ProtocolAll.
	Protocol string
	// CIDR, or the network security group NSGID, is the other end.
	CIDR  netip.Prefix
	NSGID string
	// Ports and SourcePorts narrow TCP and UDP; the zero value means all.
	Ports, SourcePorts PortRange
	// ICMP narrows ICMP; nil means all.
	ICMP *ICMPMatch
	// Stateless rules do not admit the answers.
	Stateless   bool
	Description string
}

// PortRange is Min to Max, both included.
type PortRange struct{ Min, Max int }

// ICMPMatch is a type and code of ICMP.
type ICMPMatch struct{ Type, Code int }

// Admits tells whether two rules admit the same traffic; ID and description do not matter.
func (r SecurityRule) Admits(other SecurityRule) bool {
	if (r.ICMP == nil) != (other.ICMP == nil) || (r.ICMP != nil && *r.ICMP != *other.ICMP) {
		return false
	}
	r.ID, r.Description, r.ICMP = other.ID, other.Description, other.ICMP
	return r == other
}

// ListSecurityRules lists the rules of a network security group.
func (c *Client) ListSecurityRules(ctx context.Context, nsgID string) ([]SecurityRule, error) {
	type request = core.ListNetworkSecurityGroupSecurityRulesRequest
	type response = core.ListNetworkSecurityGroupSecurityRulesResponse
	items, err := listAll(ctx, c, pager[request, response, core.SecurityRule]{
		op:      operation{service: serviceNetwork, name: "ListNetworkSecurityGroupSecurityRules"}.on(nsgID),
		do:      c.network.ListNetworkSecurityGroupSecurityRules,
		request: request{NetworkSecurityGroupId: &nsgID},
		turn:    func(r *request, page *string) { r.Page = page },
		read:    func(r response) ([]core.SecurityRule, *string) { return r.Items, r.OpcNextPage },
	})
	if err != nil {
		return nil, err
	}
	rules := make([]SecurityRule, 0, len(items))
	for _, item := range items {
		rules = append(rules, securityRule(item))
	}
	return rules, nil
}

// AddSecurityRules adds rules, 25 per call. After an error some may have been added.
func (c *Client) AddSecurityRules(ctx context.Context, own ownership.Proof, rules []SecurityRule) error {
	nsgID := own.ID()
	for batch := range slices.Chunk(rules, ruleBatch) {
		details := core.AddNetworkSecurityGroupSecurityRulesDetails{}
		for _, rule := range batch {
			details.SecurityRules = append(details.SecurityRules, addedRule(rule))
		}
		_, err := call(ctx, c, operation{service: serviceNetwork, name: "AddNetworkSecurityGroupSecurityRules"}.on(nsgID),
			c.network.AddNetworkSecurityGroupSecurityRules, core.AddNetworkSecurityGroupSecurityRulesRequest{
				NetworkSecurityGroupId: &nsgID, AddNetworkSecurityGroupSecurityRulesDetails: details,
			})
		if err != nil {
			return err
		}
	}
	return nil
}

// RemoveSecurityRules removes rules by ID, 25 per call. After an error some may have been removed.
func (c *Client) RemoveSecurityRules(ctx context.Context, own ownership.Proof, ruleIDs []string) error {
	nsgID := own.ID()
	for batch := range slices.Chunk(ruleIDs, ruleBatch) {
		_, err := call(ctx, c, operation{service: serviceNetwork, name: "RemoveNetworkSecurityGroupSecurityRules"}.on(nsgID),
			c.network.RemoveNetworkSecurityGroupSecurityRules, core.RemoveNetworkSecurityGroupSecurityRulesRequest{
				NetworkSecurityGroupId: &nsgID,
				RemoveNetworkSecurityGroupSecurityRulesDetails: core.RemoveNetworkSecurityGroupSecurityRulesDetails{
					SecurityRuleIds: batch,
				},
			})
		if err != nil {
			return err
		}
	}
	return nil
}

func addedRule(r SecurityRule) core.AddSecurityRuleDetails {
	details := core.AddSecurityRuleDetails{
		Direction: core.AddSecurityRuleDetailsDirectionEnum(r.Direction), Protocol: &r.Protocol,
		Description: optional(r.Description), IsStateless: &r.Stateless,
	}
	peer, peerType := r.CIDR.String(), "CIDR_BLOCK"
	if r.NSGID != "" {
		peer, peerType = r.NSGID, "NETWORK_SECURITY_GROUP"
	}
	if r.Direction == Egress {
		details.Destination = &peer
		details.DestinationType = core.AddSecurityRuleDetailsDestinationTypeEnum(peerType)
	} else {
		details.Source = &peer
		details.SourceType = core.AddSecurityRuleDetailsSourceTypeEnum(peerType)
	}
	ports, sourcePorts := r.Ports.sdk(), r.SourcePorts.sdk()
	switch {
	case r.Protocol == ProtocolICMP && r.ICMP != nil:
		details.IcmpOptions = &core.IcmpOptions{Type: &r.ICMP.Type}
		if r.ICMP.Code != AnyICMPCode {
			details.IcmpOptions.Code = &r.ICMP.Code
		}
	case ports == nil && sourcePorts == nil:
	case r.Protocol == ProtocolTCP:
		details.TcpOptions = &core.TcpOptions{DestinationPortRange: ports, SourcePortRange: sourcePorts}
	case r.Protocol == ProtocolUDP:
		details.UdpOptions = &core.UdpOptions{DestinationPortRange: ports, SourcePortRange: sourcePorts}
	}
	return details
}

func securityRule(r core.SecurityRule) SecurityRule {
	out := SecurityRule{
		ID: value(r.Id), Direction: Direction(r.Direction), Protocol: value(r.Protocol),
		Stateless: value(r.IsStateless), Description: value(r.Description),
	}
	peer := value(r.Source)
	if out.Direction == Egress {
		peer = value(r.Destination)
	}
	if out.CIDR = prefix(peer); !out.CIDR.IsValid() {
		out.NSGID = peer
	}
	switch {
	case r.TcpOptions != nil:
		out.Ports, out.SourcePorts = ports(r.TcpOptions.DestinationPortRange), ports(r.TcpOptions.SourcePortRange)
	case r.UdpOptions != nil:
		out.Ports, out.SourcePorts = ports(r.UdpOptions.DestinationPortRange), ports(r.UdpOptions.SourcePortRange)
	case r.IcmpOptions != nil:
		out.ICMP = &ICMPMatch{Type: value(r.IcmpOptions.Type), Code: AnyICMPCode}
		if r.IcmpOptions.Code != nil {
			out.ICMP.Code = *r.IcmpOptions.Code
		}
	}
	return out
}

func ports(r *core.PortRange) PortRange {
	if r == nil {
		return PortRange{}
	}
	return PortRange{Min: value(r.Min), Max: value(r.Max)}
}

// sdk is nil for all ports.
func (p PortRange) sdk() *core.PortRange {
	if p == (PortRange{}) {
		return nil
	}
	return &core.PortRange{Min: &p.Min, Max: &p.Max}
}
