// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"slices"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// lookLife is for how long a Look is believed: longer than a network takes, and shorter than
// anybody else takes to change one that is being made.
const lookLife = time.Minute

// Part is what is learned of how long OCI takes: as long for one part of a network as for another.
const Part = "part of a network"

// makeClient has the calls of a Look.
type makeClient interface {
	ensureClient
	existingClient
	GetRouteTable(ctx context.Context, id string) (oci.RouteTable, error)
	GetInternetGateway(ctx context.Context, id string) (oci.InternetGateway, error)
	GetNATGateway(ctx context.Context, id string) (oci.NATGateway, error)
}

// Look is what this process has seen and made of one network that is being made. Ensure with a Look
// instead of a client asks OCI for the same thing once, and for what OCI is still making when that
// can be done. It proves the presence of things, and no absence but in a VCN of its own making:
// what is made nevertheless is made under a retry token, so that nothing is there twice. After an
// error it is of no use any more.
type Look struct {
	makeClient
	waits *cloud.Waits
	began time.Time
	// vcns has the VCN once it was made here: of another one the claim may change.
	vcns     shelf[oci.VCN]
	lists    map[string]oci.SecurityList
	internet shelf[oci.InternetGateway]
	nat      shelf[oci.NATGateway]
	tables   shelf[oci.RouteTable]
	groups   shelf[oci.NetworkSecurityGroup]
	subnets  shelf[oci.Subnet]
	rules    map[string][]oci.SecurityRule
}

// NewLook has seen nothing.
func NewLook(c makeClient, waits *cloud.Waits) *Look {
	return &Look{
		makeClient: c, waits: waits, began: time.Now(), lists: map[string]oci.SecurityList{}, rules: map[string][]oci.SecurityRule{},
		vcns:     shelf[oci.VCN]{get: c.GetVCN, resource: func(v oci.VCN) oci.Resource { return v.Resource }},
		internet: shelf[oci.InternetGateway]{get: c.GetInternetGateway, resource: func(g oci.InternetGateway) oci.Resource { return g.Resource }},
		nat:      shelf[oci.NATGateway]{get: c.GetNATGateway, resource: func(g oci.NATGateway) oci.Resource { return g.Resource }},
		tables:   shelf[oci.RouteTable]{get: c.GetRouteTable, resource: func(t oci.RouteTable) oci.Resource { return t.Resource }},
		groups:   shelf[oci.NetworkSecurityGroup]{get: c.GetNetworkSecurityGroup, resource: func(g oci.NetworkSecurityGroup) oci.Resource { return g.Resource }},
		subnets:  shelf[oci.Subnet]{get: c.GetSubnet, resource: func(n oci.Subnet) oci.Resource { return n.Resource }},
	}
}

// IsOld tells that the Look is not believed any more.
func (l *Look) IsOld() bool { return time.Since(l.began) > lookLife }

// After is when it is worth calling Ensure again; 0 if nothing is known of that.
func (l *Look) After() time.Duration {
	var after time.Duration
	for _, waits := range []map[string]*cloud.Wait{
		l.vcns.waits, l.internet.waits, l.nat.waits, l.tables.waits, l.groups.waits, l.subnets.waits,
	} {
		for _, wait := range waits {
			if next := max(wait.After(time.Now()), time.Millisecond); after == 0 || next < after {
				after = next
			}
		}
	}
	return after
}

// shelf is the part of a Look with one kind of resources.
type shelf[T any] struct {
	get      func(ctx context.Context, id string) (T, error)
	resource func(T) oci.Resource
	// known is set once items are all there are.
	known bool
	items []T
	// waits are for the resources in the making, by OCID.
	waits map[string]*cloud.Wait
}

// list returns what is known, newer where a resource may be done by now, or reads the list.
func (s *shelf[T]) list(ctx context.Context, waits *cloud.Waits, read func() ([]T, error)) ([]T, error) {
	if !s.known {
		items, err := read()
		s.set(waits, items)
		return items, err
	}
	for i, item := range s.items {
		id := s.resource(item).ID
		wait := s.waits[id]
		if wait == nil || wait.After(time.Now()) > 0 {
			continue
		}
		seen, err := s.get(ctx, id)
		if cloud.IsKind(err, cloud.NotFoundOrUnauthorized) {
			// It is gone again, or not shown yet.
			s.known = false
			return s.list(ctx, waits, read)
		}
		if err != nil {
			return nil, err
		}
		s.items[i] = seen
		if usable(s.resource(seen)) {
			wait.Finished(time.Now())
			delete(s.waits, id)
			continue
		}
		wait.Unfinished(time.Now())
		s.known = !s.resource(seen).State.IsEnding()
	}
	return slices.Clone(s.items), nil
}

// set keeps a list, unless something in it is on its way out.
func (s *shelf[T]) set(waits *cloud.Waits, items []T) {
	s.items, s.waits = nil, nil
	s.known = !slices.ContainsFunc(items, func(item T) bool { return s.resource(item).State.IsEnding() })
	for _, item := range items {
		s.add(waits, item)
	}
}

// empty says that there is nothing.
func (s *shelf[T]) empty() { s.known, s.items, s.waits = true, nil, nil }

// add keeps what was made.
func (s *shelf[T]) add(waits *cloud.Waits, item T) {
	s.items = append(s.items, item)
	if r := s.resource(item); !usable(r) {
		if s.waits == nil {
			s.waits = map[string]*cloud.Wait{}
		}
		s.waits[r.ID] = waits.Begin(Part, time.Now())
	}
}

// made keeps what a call has made.
func made[T any](l *Look, s *shelf[T], item T, err error) (T, error) {
	if err == nil {
		s.add(l.waits, item)
	}
	return item, err
}

// ListVCNs asks OCI, unless the VCN was made here.
func (l *Look) ListVCNs(ctx context.Context, tags map[string]string) ([]oci.VCN, error) {
	if !l.vcns.known {
		return l.makeClient.ListVCNs(ctx, tags)
	}
	read := false
	vcns, err := l.vcns.list(ctx, l.waits, func() ([]oci.VCN, error) {
		read = true
		return l.makeClient.ListVCNs(ctx, tags)
	})
	l.vcns.known = l.vcns.known && !read
	return vcns, err
}

// CreateVCN makes a VCN with nothing in it but its default list, which admits too much. With the
// answer of an earlier call under the same token there may be more in it, made under tokens as
// well.
func (l *Look) CreateVCN(ctx context.Context, spec oci.VCNSpec) (oci.VCN, error) {
	vcn, err := l.makeClient.CreateVCN(ctx, spec)
	if err == nil {
		l.vcns.empty()
		l.internet.empty()
		l.nat.empty()
		l.tables.empty()
		l.groups.empty()
		l.subnets.empty()
		l.lists[vcn.DefaultSecurityListID] = oci.SecurityList{Resource: oci.Resource{ID: vcn.DefaultSecurityListID}, IngressRules: 1}
	}
	return made(l, &l.vcns, vcn, err)
}

// UpdateVCNTag makes the VCN's tags unknown.
func (l *Look) UpdateVCNTag(ctx context.Context, own ownership.Proof, change oci.TagChange) error {
	l.vcns.known = false
	return l.makeClient.UpdateVCNTag(ctx, own, change)
}

// GetSecurityList asks OCI once.
func (l *Look) GetSecurityList(ctx context.Context, id string) (oci.SecurityList, error) {
	if list, known := l.lists[id]; known {
		return list, nil
	}
	list, err := l.makeClient.GetSecurityList(ctx, id)
	if err == nil {
		l.lists[id] = list
	}
	return list, err
}

// ClearSecurityList leaves an empty list.
func (l *Look) ClearSecurityList(ctx context.Context, own ownership.Proof) error {
	err := l.makeClient.ClearSecurityList(ctx, own)
	if err == nil {
		l.lists[own.ID()] = oci.SecurityList{Resource: oci.Resource{ID: own.ID()}}
	}
	return err
}

// ListInternetGateways asks OCI once.
func (l *Look) ListInternetGateways(ctx context.Context, filter oci.ListFilter) ([]oci.InternetGateway, error) {
	return l.internet.list(ctx, l.waits, func() ([]oci.InternetGateway, error) { return l.makeClient.ListInternetGateways(ctx, filter) })
}

// CreateInternetGateway keeps the gateway.
func (l *Look) CreateInternetGateway(ctx context.Context, spec oci.GatewaySpec) (oci.InternetGateway, error) {
	gateway, err := l.makeClient.CreateInternetGateway(ctx, spec)
	return made(l, &l.internet, gateway, err)
}

// SetInternetGatewayEnabled makes the gateway's state unknown.
func (l *Look) SetInternetGatewayEnabled(ctx context.Context, own ownership.Proof, enabled bool) error {
	l.internet.known = false
	return l.makeClient.SetInternetGatewayEnabled(ctx, own, enabled)
}

// ListNATGateways asks OCI once.
func (l *Look) ListNATGateways(ctx context.Context, filter oci.ListFilter) ([]oci.NATGateway, error) {
	return l.nat.list(ctx, l.waits, func() ([]oci.NATGateway, error) { return l.makeClient.ListNATGateways(ctx, filter) })
}

// CreateNATGateway keeps the gateway.
func (l *Look) CreateNATGateway(ctx context.Context, spec oci.GatewaySpec) (oci.NATGateway, error) {
	gateway, err := l.makeClient.CreateNATGateway(ctx, spec)
	return made(l, &l.nat, gateway, err)
}

// SetNATGatewayBlocked makes the gateway's state unknown.
func (l *Look) SetNATGatewayBlocked(ctx context.Context, own ownership.Proof, blocked bool) error {
	l.nat.known = false
	return l.makeClient.SetNATGatewayBlocked(ctx, own, blocked)
}

// ListRouteTables asks OCI once.
func (l *Look) ListRouteTables(ctx context.Context, filter oci.ListFilter) ([]oci.RouteTable, error) {
	return l.tables.list(ctx, l.waits, func() ([]oci.RouteTable, error) { return l.makeClient.ListRouteTables(ctx, filter) })
}

// CreateRouteTable keeps the table.
func (l *Look) CreateRouteTable(ctx context.Context, spec oci.RouteTableSpec) (oci.RouteTable, error) {
	table, err := l.makeClient.CreateRouteTable(ctx, spec)
	return made(l, &l.tables, table, err)
}

// UpdateRouteTable makes the table's rules unknown.
func (l *Look) UpdateRouteTable(ctx context.Context, own ownership.Proof, update oci.RouteTableUpdate) error {
	l.tables.known = false
	return l.makeClient.UpdateRouteTable(ctx, own, update)
}

// ListNetworkSecurityGroups asks OCI once.
func (l *Look) ListNetworkSecurityGroups(ctx context.Context, filter oci.ListFilter) ([]oci.NetworkSecurityGroup, error) {
	return l.groups.list(ctx, l.waits, func() ([]oci.NetworkSecurityGroup, error) {
		return l.makeClient.ListNetworkSecurityGroups(ctx, filter)
	})
}

// CreateNetworkSecurityGroup keeps the group. Its rules are asked for, once: with the answer of an
// earlier call there may be some, and rules have no token.
func (l *Look) CreateNetworkSecurityGroup(ctx context.Context, spec oci.NetworkSecurityGroupSpec) (oci.NetworkSecurityGroup, error) {
	group, err := l.makeClient.CreateNetworkSecurityGroup(ctx, spec)
	return made(l, &l.groups, group, err)
}

// ListSecurityRules asks OCI once.
func (l *Look) ListSecurityRules(ctx context.Context, nsgID string) ([]oci.SecurityRule, error) {
	if rules, known := l.rules[nsgID]; known {
		return rules, nil
	}
	rules, err := l.makeClient.ListSecurityRules(ctx, nsgID)
	if err == nil {
		l.rules[nsgID] = rules
	}
	return rules, err
}

// AddSecurityRules keeps the rules.
func (l *Look) AddSecurityRules(ctx context.Context, own ownership.Proof, rules []oci.SecurityRule) error {
	err := l.makeClient.AddSecurityRules(ctx, own, rules)
	if err == nil {
		l.rules[own.ID()] = append(slices.Clone(l.rules[own.ID()]), rules...)
	}
	return err
}

// RemoveSecurityRules makes the rules unknown.
func (l *Look) RemoveSecurityRules(ctx context.Context, own ownership.Proof, ruleIDs []string) error {
	delete(l.rules, own.ID())
	return l.makeClient.RemoveSecurityRules(ctx, own, ruleIDs)
}

// ListSubnets asks OCI once.
func (l *Look) ListSubnets(ctx context.Context, filter oci.ListFilter) ([]oci.Subnet, error) {
	return l.subnets.list(ctx, l.waits, func() ([]oci.Subnet, error) { return l.makeClient.ListSubnets(ctx, filter) })
}

// CreateSubnet keeps the subnet.
func (l *Look) CreateSubnet(ctx context.Context, spec oci.SubnetSpec) (oci.Subnet, error) {
	subnet, err := l.makeClient.CreateSubnet(ctx, spec)
	return made(l, &l.subnets, subnet, err)
}

// UpdateSubnet makes the subnet's state unknown.
func (l *Look) UpdateSubnet(ctx context.Context, own ownership.Proof, update oci.SubnetUpdate) error {
	l.subnets.known = false
	return l.makeClient.UpdateSubnet(ctx, own, update)
}

var _ makeClient = (*oci.Client)(nil)
