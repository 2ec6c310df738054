// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

type groupClient interface {
	ListNetworkSecurityGroups(ctx context.Context, filter oci.ListFilter) ([]oci.NetworkSecurityGroup, error)
	CreateNetworkSecurityGroup(ctx context.Context, spec oci.NetworkSecurityGroupSpec) (oci.NetworkSecurityGroup, error)
	ListSecurityRules(ctx context.Context, nsgID string) ([]oci.SecurityRule, error)
	AddSecurityRules(ctx context.Context, nsgID string, rules []oci.SecurityRule) error
	RemoveSecurityRules(ctx context.Context, nsgID string, ruleIDs []string) error
}

// groupStep keeps the group's rules exactly as wanted: missing ones are added, others removed.
type groupStep struct{ groupClient }

func (s groupStep) run(ctx context.Context, w *work) (bool, error) {
	found, err := s.ListNetworkSecurityGroups(ctx, w.children())
	if err != nil {
		return false, err
	}
	group, ok, leaving := pick(found, func(g oci.NetworkSecurityGroup) oci.Resource { return g.Resource })
	if leaving {
		return false, nil
	}
	if !ok {
		group, err = create(w.owner, []string{"nsg", w.vcn.ID}, func(token string) (oci.NetworkSecurityGroup, error) {
			return s.CreateNetworkSecurityGroup(ctx, oci.NetworkSecurityGroupSpec{
				VCNID: w.vcn.ID, DisplayName: w.displayName(), Tags: w.tags, RetryToken: token,
			})
		})
		if err != nil {
			return false, err
		}
	}
	w.groupID = group.ID
	if !usable(group.Resource) {
		return false, nil
	}
	return true, s.repair(ctx, group.ID, w.spec)
}

func (s groupStep) repair(ctx context.Context, groupID string, spec infrav1.ManagedNetwork) error {
	want, err := wantedRules(spec)
	if err != nil {
		return err
	}
	have, err := s.ListSecurityRules(ctx, groupID)
	if err != nil {
		return err
	}
	missing, surplus := difference(want, have)
	// What is missing comes first: a node must not lose the tailnet while its rules are put right.
	if len(missing) > 0 {
		if err := s.AddSecurityRules(ctx, groupID, missing); err != nil {
			return err
		}
	}
	if len(surplus) > 0 {
		return s.RemoveSecurityRules(ctx, groupID, surplus)
	}
	return nil
}

// difference returns the wanted rules that are not there, and the IDs of those that are there and not wanted, doubles
// included.
func difference(want, have []oci.SecurityRule) (missing []oci.SecurityRule, surplus []string) {
	missing = slices.Clone(want)
	for _, rule := range have {
		i := slices.IndexFunc(missing, rule.Admits)
		if i < 0 {
			surplus = append(surplus, rule.ID)
			continue
		}
		missing = slices.Delete(missing, i, i+1)
	}
	return missing, surplus
}

const (
	tailscalePort = 41641
	sshPort       = 22
	// ICMP type 3 code 4, "fragmentation needed", without which path MTU discovery fails.
	icmpUnreachable, icmpFragmentationNeeded = 3, 4
)

// wantedRules let in direct tailnet connections, what path MTU discovery needs, and SSH from where the user says; and let
// everything out.
func wantedRules(spec infrav1.ManagedNetwork) ([]oci.SecurityRule, error) {
	rules := []oci.SecurityRule{
		{
			Direction: oci.Ingress, Protocol: oci.ProtocolUDP, CIDR: everywhere,
			Ports: oci.PortRange{Min: tailscalePort, Max: tailscalePort}, Description: "Tailscale, direct connections",
		},
		{
			Direction: oci.Ingress, Protocol: oci.ProtocolICMP, CIDR: everywhere,
			ICMP:        &oci.ICMPMatch{Type: icmpUnreachable, Code: icmpFragmentationNeeded},
			Description: "Path MTU discovery",
		},
		{Direction: oci.Egress, Protocol: oci.ProtocolAll, CIDR: everywhere, Description: "Everything"},
	}
	for _, from := range spec.SSHFrom {
		cidr, err := parse(from, "sshFrom")
		if err != nil {
			return nil, err
		}
		rule := oci.SecurityRule{
			Direction: oci.Ingress, Protocol: oci.ProtocolTCP, CIDR: cidr,
			Ports: oci.PortRange{Min: sshPort, Max: sshPort}, Description: "SSH",
		}
		// Two spellings of a network are one rule.
		if !slices.ContainsFunc(rules, rule.Admits) {
			rules = append(rules, rule)
		}
	}
	return rules, nil
}
