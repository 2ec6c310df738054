// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"maps"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

type groupClient interface {
	ListNetworkSecurityGroups(ctx context.Context, filter oci.ListFilter) ([]oci.NetworkSecurityGroup, error)
	CreateNetworkSecurityGroup(ctx context.Context, spec oci.NetworkSecurityGroupSpec) (oci.NetworkSecurityGroup, error)
	ListSecurityRules(ctx context.Context, nsgID string) ([]oci.SecurityRule, error)
	AddSecurityRules(ctx context.Context, own ownership.Proof, rules []oci.SecurityRule) error
	RemoveSecurityRules(ctx context.Context, own ownership.Proof, ruleIDs []string) error
}

// groupStep keeps the groups' rules exactly as wanted: missing ones are added, others removed.
type groupStep struct{ groupClient }

// run ensures the nodes' group.
func (s groupStep) run(ctx context.Context, w *work) (bool, error) {
	group, ok, err := s.ensure(ctx, w, "")
	if err != nil || !ok {
		return false, err
	}
	w.groupID = group.ID
	own, err := proof(w.owner, group.Resource)
	if err != nil {
		return false, err
	}
	rules, err := wantedRules(w.spec)
	if err != nil {
		return false, err
	}
	if w.port != 0 {
		rules = append(rules, oci.SecurityRule{
			Direction: oci.Ingress, Protocol: oci.ProtocolTCP, NSGID: w.balancerGroupID, Ports: oci.PortRange{Min: w.port, Max: w.port},
			Description: "API server, from the load balancer",
		})
	}
	return true, s.repair(ctx, own, rules)
}

// balancer makes the load balancer's group; the nodes' rules refer to it.
func (s groupStep) balancer(ctx context.Context, w *work) (bool, error) {
	if w.port == 0 {
		return true, nil
	}
	group, ok, err := s.ensure(ctx, w, infrav1.RoleLoadBalancer)
	w.balancerGroupID = group.ID
	if err != nil || !ok {
		return false, err
	}
	w.balancerGroup, err = proof(w.owner, group.Resource)
	return err == nil, err
}

// balancerRules let clients reach the load balancer, and the load balancer reach the nodes.
// Connections to the nodes and health checks come from the load balancer's own address, since it
// does not preserve the clients' (cloud/loadbalancer).
func (s groupStep) balancerRules(ctx context.Context, w *work) (bool, error) {
	if w.port == 0 {
		return true, nil
	}
	api := oci.PortRange{Min: w.port, Max: w.port}
	return true, s.repair(ctx, w.balancerGroup, []oci.SecurityRule{
		{Direction: oci.Ingress, Protocol: oci.ProtocolTCP, CIDR: everywhere, Ports: api, Description: "API server, from clients"},
		{
			Direction: oci.Ingress, Protocol: oci.ProtocolICMP, CIDR: everywhere,
			ICMP:        &oci.ICMPMatch{Type: icmpUnreachable, Code: icmpFragmentationNeeded},
			Description: "Path MTU discovery",
		},
		{Direction: oci.Egress, Protocol: oci.ProtocolTCP, NSGID: w.groupID, Ports: api, Description: "API server, to the nodes"},
	})
}

// ensure finds or makes the group of a role; usable is false while it is not there yet.
func (s groupStep) ensure(ctx context.Context, w *work, role string) (group oci.NetworkSecurityGroup, isUsable bool, err error) {
	found, err := s.ListNetworkSecurityGroups(ctx, w.children())
	if err != nil {
		return group, false, err
	}
	found = slices.DeleteFunc(found, func(g oci.NetworkSecurityGroup) bool { return g.Tags[infrav1.RoleTag] != role })
	group, ok, leaving := pick(found, func(g oci.NetworkSecurityGroup) oci.Resource { return g.Resource })
	if leaving {
		return group, false, nil
	}
	if !ok {
		payload, name, tags := []string{"nsg", w.vcn.ID}, w.displayName(), w.tags
		if role != "" {
			payload, name, tags = append(payload, role), name+"-"+role, maps.Clone(w.tags)
			tags[infrav1.RoleTag] = role
		}
		group, err = create(w.owner, payload, func(token string) (oci.NetworkSecurityGroup, error) {
			return s.CreateNetworkSecurityGroup(ctx, oci.NetworkSecurityGroupSpec{
				VCNID: w.vcn.ID, DisplayName: name, Tags: tags, RetryToken: token,
			})
		})
	}
	return group, err == nil && usable(group.Resource), err
}

func (s groupStep) repair(ctx context.Context, own ownership.Proof, want []oci.SecurityRule) error {
	have, err := s.ListSecurityRules(ctx, own.ID())
	if err != nil {
		return err
	}
	missing, surplus := difference(want, have)
	// Missing rules come first: a node must not lose the tailnet while its rules are repaired.
	if len(missing) > 0 {
		if err := s.AddSecurityRules(ctx, own, missing); err != nil {
			return err
		}
	}
	if len(surplus) > 0 {
		return s.RemoveSecurityRules(ctx, own, surplus)
	}
	return nil
}

// difference returns the missing rules, and the IDs of the unwanted ones, duplicates included.
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
	// ICMP type 3 code 4, "fragmentation needed": path MTU discovery fails without it.
	icmpUnreachable, icmpFragmentationNeeded = 3, 4
)

// wantedRules let in direct tailnet connections, the ICMP of path MTU discovery, and SSH from the
// networks in the spec; and let everything out.
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
