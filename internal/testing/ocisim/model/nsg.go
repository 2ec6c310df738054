// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"time"
)

// NetworkSecurityGroup is OCI's network security group. Its rules are not part
// of its JSON: they have operations of their own.
type NetworkSecurityGroup struct {
	Meta
	VcnID string `json:"vcnId"`

	rules []SecurityRule
}

// CreateNsgDetails is the body of CreateNetworkSecurityGroup.
type CreateNsgDetails struct {
	CompartmentID string `json:"compartmentId" oci:"required"`
	VcnID         string `json:"vcnId" oci:"required"`
	DisplayName   string `json:"displayName"`
	Tags
}

// RulesDetails is the body of the operations for adding and updating rules.
type RulesDetails struct {
	SecurityRules []RuleDetails `json:"securityRules"`
}

// RemoveRulesDetails is the body of RemoveNetworkSecurityGroupSecurityRules.
type RemoveRulesDetails struct {
	SecurityRuleIDs []string `json:"securityRuleIds"`
}

// Rules is the answer to adding and updating rules.
type Rules struct {
	SecurityRules []SecurityRule `json:"securityRules"`
}

// NsgVnic is a member of a group.
type NsgVnic struct {
	VnicID         string    `json:"vnicId"`
	ResourceID     string    `json:"resourceId"`
	TimeAssociated time.Time `json:"timeAssociated"`
}

// OCI takes 25 rules a call (oci-go-sdk core/add_network_security_group_security_rules_details.go)
// and 120 a group (docs.oracle.com, General/Concepts/servicelimits.htm).
const (
	rulesPerCall  = 25
	rulesPerGroup = 120
)

// CreateNsg makes a group in an AVAILABLE network.
func (s *State) CreateNsg(caller *User, details CreateNsgDetails) (*NetworkSecurityGroup, error) {
	if err := s.checkCompartment(caller, details.CompartmentID); err != nil {
		return nil, err
	}
	vcn, err := s.vcnFor(caller, details.VcnID)
	if err != nil {
		return nil, err
	}
	group := &NetworkSecurityGroup{Meta: s.newMeta("networksecuritygroup", details.CompartmentID, details.DisplayName, details.Tags), VcnID: vcn.ID}
	put(s, group)
	s.appear(group)
	return group, nil
}

// GetNsg describes a group.
func (s *State) GetNsg(caller *User, id string) (*NetworkSecurityGroup, error) {
	return get[*NetworkSecurityGroup](s, caller, id)
}

// ListNsgs lists groups by compartment or network.
func (s *State) ListNsgs(caller *User, query ListQuery, vcn string) ([]*NetworkSecurityGroup, string, error) {
	return list(s, caller, query, func(g *NetworkSecurityGroup) bool { return vcn == "" || g.VcnID == vcn })
}

// UpdateNsg changes name and tags.
func (s *State) UpdateNsg(caller *User, id, ifMatch string, details UpdateDetails) (*NetworkSecurityGroup, error) {
	group, err := getAlive[*NetworkSecurityGroup](s, caller, id)
	if err != nil {
		return nil, err
	}
	if err := checkMatch(group, ifMatch); err != nil {
		return nil, err
	}
	group.update(details.DisplayName, details.Tags)
	return group, nil
}

// DeleteNsg removes a group without members. Other groups' rules with its name become invalid
// (oci-go-sdk core/security_rule.go, isValid).
func (s *State) DeleteNsg(caller *User, id, ifMatch string) error {
	group, err := getAlive[*NetworkSecurityGroup](s, caller, id)
	if err != nil {
		return err
	}
	if err := checkDelete(group, ifMatch); err != nil {
		return err
	}
	if members := s.nsgVnics(id); len(members) > 0 {
		return ErrReferenced("NetworkSecurityGroup", id, "VNIC", members[0].ID)
	}
	for _, other := range alive(s, func(g *NetworkSecurityGroup) bool { return g.VcnID == group.VcnID }) {
		rules := slices.Clone(other.rules)
		for i := range rules {
			if rules[i].Source == id || rules[i].Destination == id {
				invalid := false
				rules[i].IsValid = &invalid
			}
		}
		other.rules = rules
	}
	s.vanish(group, StateTerminating, StateTerminated)
	return nil
}

func (s *State) nsgVnics(group string) []*Vnic {
	return alive(s, func(v *Vnic) bool { return slices.Contains(v.NsgIDs, group) })
}

// ListNsgVnics lists a group's members.
func (s *State) ListNsgVnics(caller *User, id string, query ListQuery) ([]NsgVnic, string, error) {
	if _, err := get[*NetworkSecurityGroup](s, caller, id); err != nil {
		return nil, "", err
	}
	members := []NsgVnic{}
	for _, vnic := range s.nsgVnics(id) {
		members = append(members, NsgVnic{VnicID: vnic.ID, ResourceID: vnic.instance, TimeAssociated: vnic.TimeCreated})
	}
	return paginate(s, members, query, func(member NsgVnic) string { return member.VnicID })
}

// AddRules adds up to 25 rules to a group.
func (s *State) AddRules(caller *User, id string, details RulesDetails) (Rules, error) {
	group, err := s.ruleGroup(caller, id, len(details.SecurityRules))
	if err != nil {
		return Rules{}, err
	}
	if len(group.rules)+len(details.SecurityRules) > rulesPerGroup {
		return Rules{}, ErrInvalid("A network security group has %d rules at most", rulesPerGroup)
	}
	now, valid := s.world.clock.Now().UTC(), true
	added := []SecurityRule{}
	for _, wanted := range details.SecurityRules {
		if wanted.ID != "" {
			return Rules{}, ErrCannotParse("Unrecognized field: id")
		}
		rule := wanted.rule()
		if err := s.checkRule(caller, group.VcnID, rule); err != nil {
			return Rules{}, err
		}
		rule.ID, rule.IsValid, rule.TimeCreated = randomText(4)[:6], &valid, &now
		added = append(added, rule)
	}
	group.rules = slices.Concat(group.rules, added)
	return Rules{SecurityRules: added}, nil
}

func (s *State) ruleGroup(caller *User, id string, count int) (*NetworkSecurityGroup, error) {
	group, err := getAlive[*NetworkSecurityGroup](s, caller, id)
	if err != nil {
		return nil, err
	}
	if count > rulesPerCall {
		return nil, ErrInvalid("At most %d security rules can be given at once", rulesPerCall)
	}
	if group.LifecycleState != StateAvailable {
		return nil, ErrIncorrectState("The network security group %s is in the state %s", id, group.LifecycleState)
	}
	return group, nil
}

// UpdateRules replaces up to 25 rules by id.
func (s *State) UpdateRules(caller *User, id string, details RulesDetails) (Rules, error) {
	group, err := s.ruleGroup(caller, id, len(details.SecurityRules))
	if err != nil {
		return Rules{}, err
	}
	rules, updated := slices.Clone(group.rules), []SecurityRule{}
	for _, wanted := range details.SecurityRules {
		place := slices.IndexFunc(rules, func(r SecurityRule) bool { return r.ID == wanted.ID })
		if place < 0 {
			return Rules{}, ErrInvalid("The network security group %s has no rule '%s'", id, wanted.ID)
		}
		rule := wanted.rule()
		if err := s.checkRule(caller, group.VcnID, rule); err != nil {
			return Rules{}, err
		}
		rule.IsValid, rule.TimeCreated = rules[place].IsValid, rules[place].TimeCreated
		rules[place] = rule
		updated = append(updated, rule)
	}
	group.rules = rules
	return Rules{SecurityRules: updated}, nil
}

// RemoveRules removes up to 25 rules by id; all must exist.
func (s *State) RemoveRules(caller *User, id string, details RemoveRulesDetails) error {
	group, err := s.ruleGroup(caller, id, len(details.SecurityRuleIDs))
	if err != nil {
		return err
	}
	rules := slices.Clone(group.rules)
	for _, ruleID := range details.SecurityRuleIDs {
		place := slices.IndexFunc(rules, func(r SecurityRule) bool { return r.ID == ruleID })
		if place < 0 {
			return ErrInvalid("The network security group %s has no rule '%s'", id, ruleID)
		}
		rules = slices.Delete(rules, place, place+1)
	}
	group.rules = rules
	return nil
}

// ListRules lists a group's rules, optionally of one direction.
func (s *State) ListRules(caller *User, id, direction string, query ListQuery) ([]SecurityRule, string, error) {
	group, err := get[*NetworkSecurityGroup](s, caller, id)
	if err != nil {
		return nil, "", err
	}
	if direction != "" && direction != "INGRESS" && direction != "EGRESS" {
		return nil, "", ErrInvalid("Invalid direction: %s", direction)
	}
	rules := []SecurityRule{}
	for _, rule := range group.rules {
		if direction == "" || rule.Direction == direction {
			rules = append(rules, rule)
		}
	}
	return paginate(s, rules, query, func(rule SecurityRule) string { return rule.ID })
}
