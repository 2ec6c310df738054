// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

// RouteRule sends traffic for a destination to a gateway.
type RouteRule struct {
	NetworkEntityID string `json:"networkEntityId" oci:"required"`
	CidrBlock       string `json:"cidrBlock,omitempty"`
	Destination     string `json:"destination,omitempty"`
	DestinationType string `json:"destinationType,omitempty" enum:"CIDR_BLOCK|SERVICE_CIDR_BLOCK"`
	Description     string `json:"description,omitempty"`
	RouteType       string `json:"routeType,omitempty" enum:"STATIC|LOCAL"`
}

// RouteTable is OCI's route table.
type RouteTable struct {
	Meta
	VcnID      string      `json:"vcnId"`
	RouteRules []RouteRule `json:"routeRules"`
}

// CreateRouteTableDetails is the body of CreateRouteTable.
type CreateRouteTableDetails struct {
	CompartmentID string      `json:"compartmentId" oci:"required"`
	VcnID         string      `json:"vcnId" oci:"required"`
	RouteRules    []RouteRule `json:"routeRules" oci:"required"`
	DisplayName   string      `json:"displayName"`
	Tags
}

// UpdateRouteTableDetails is the body of UpdateRouteTable.
type UpdateRouteTableDetails struct {
	RouteRules  []RouteRule `json:"routeRules"`
	DisplayName *string     `json:"displayName"`
	Tags
}

func (s *State) newRouteTable(vcn *Vcn, compartment, name string, tags Tags, rules []RouteRule) *RouteTable {
	table := &RouteTable{Meta: s.newMeta("routetable", compartment, name, tags), VcnID: vcn.ID, RouteRules: rules}
	put(s, table)
	s.appear(table)
	return table
}

// checkRoutes refuses rules with unknown targets, targets of another network,
// malformed or repeated destinations.
func (s *State) checkRoutes(caller *User, vcn string, rules []RouteRule) ([]RouteRule, error) {
	checked := []RouteRule{}
	seen := map[string]bool{}
	for _, rule := range rules {
		if rule.Destination == "" {
			rule.Destination = rule.CidrBlock
		}
		if rule.DestinationType == "" {
			rule.DestinationType = "CIDR_BLOCK"
		}
		if rule.Destination == "" {
			return nil, ErrMissing("destination")
		}
		if seen[rule.Destination] {
			return nil, ErrInvalid("The destination %s occurs in more than one route rule", rule.Destination)
		}
		seen[rule.Destination] = true
		target, err := s.routeTarget(caller, rule.NetworkEntityID)
		if err != nil {
			return nil, err
		}
		if target.vcn != vcn {
			return nil, ErrInvalid("The network entity %s is not in the VCN %s", rule.NetworkEntityID, vcn)
		}
		if err := s.checkDestination(rule, target.service); err != nil {
			return nil, err
		}
		checked = append(checked, rule)
	}
	return checked, nil
}

func (s *State) checkDestination(rule RouteRule, toServices bool) error {
	if rule.DestinationType == "CIDR_BLOCK" {
		_, err := parseCidr("destination", rule.Destination, 0, 32)
		if err == nil && toServices {
			return ErrInvalid("A rule to a service gateway needs the destination type SERVICE_CIDR_BLOCK")
		}
		return err
	}
	for _, service := range s.services {
		if service.CidrBlock == rule.Destination && toServices {
			return nil
		}
	}
	return ErrInvalid("The destination %s is not a service CIDR of a service gateway", rule.Destination)
}

type routeTarget struct {
	vcn     string
	service bool
}

func (s *State) routeTarget(caller *User, id string) (routeTarget, error) {
	item, ok := s.items[id]
	if !ok || !item.meta().Alive() || !caller.may(item.meta().CompartmentID) {
		return routeTarget{}, ErrNotFound()
	}
	switch gateway := item.(type) {
	case *InternetGateway:
		return routeTarget{vcn: gateway.VcnID}, nil
	case *NatGateway:
		return routeTarget{vcn: gateway.VcnID}, nil
	case *ServiceGateway:
		return routeTarget{vcn: gateway.VcnID, service: true}, nil
	}
	return routeTarget{}, ErrInvalid("The network entity %s cannot be the target of a route rule", id)
}

// tablesTo finds the route tables with a rule to a gateway.
func (s *State) tablesTo(gateway string) []*RouteTable {
	return alive(s, func(t *RouteTable) bool {
		for _, rule := range t.RouteRules {
			if rule.NetworkEntityID == gateway {
				return true
			}
		}
		return false
	})
}

// CreateRouteTable makes a route table in an AVAILABLE network.
func (s *State) CreateRouteTable(caller *User, details CreateRouteTableDetails) (*RouteTable, error) {
	if err := s.checkCompartment(caller, details.CompartmentID); err != nil {
		return nil, err
	}
	vcn, err := s.vcnFor(caller, details.VcnID)
	if err != nil {
		return nil, err
	}
	rules, err := s.checkRoutes(caller, vcn.ID, details.RouteRules)
	if err != nil {
		return nil, err
	}
	return s.newRouteTable(vcn, details.CompartmentID, details.DisplayName, details.Tags, rules), nil
}

// GetRouteTable describes a route table.
func (s *State) GetRouteTable(caller *User, id string) (*RouteTable, error) {
	return get[*RouteTable](s, caller, id)
}

// ListRouteTables lists a compartment's route tables, optionally of one network.
func (s *State) ListRouteTables(caller *User, query ListQuery, vcn string) ([]*RouteTable, string, error) {
	return list(s, caller, query, func(t *RouteTable) bool { return vcn == "" || t.VcnID == vcn })
}

// UpdateRouteTable replaces the rules, when given.
func (s *State) UpdateRouteTable(caller *User, id, ifMatch string, details UpdateRouteTableDetails) (*RouteTable, error) {
	table, err := getAlive[*RouteTable](s, caller, id)
	if err != nil {
		return nil, err
	}
	if err := checkMatch(table, ifMatch); err != nil {
		return nil, err
	}
	if details.RouteRules != nil {
		rules, err := s.checkRoutes(caller, table.VcnID, details.RouteRules)
		if err != nil {
			return nil, err
		}
		table.RouteRules = rules
	}
	table.update(details.DisplayName, details.Tags)
	return table, nil
}

// DeleteRouteTable removes a table, unless it is a network's default or used by a subnet.
func (s *State) DeleteRouteTable(caller *User, id, ifMatch string) error {
	table, err := getAlive[*RouteTable](s, caller, id)
	if err != nil {
		return err
	}
	if err := checkDelete(table, ifMatch); err != nil {
		return err
	}
	if vcn, ok := s.items[table.VcnID].(*Vcn); ok && vcn.DefaultRouteTableID == id {
		return ErrIncorrectState("%s is the default route table of the VCN %s and cannot be deleted", id, vcn.ID)
	}
	if subnets := alive(s, func(n *Subnet) bool { return n.RouteTableID == id }); len(subnets) > 0 {
		return ErrReferenced("RouteTable", id, "Subnet", subnets[0].ID)
	}
	s.vanish(table, StateTerminating, StateTerminated)
	return nil
}
