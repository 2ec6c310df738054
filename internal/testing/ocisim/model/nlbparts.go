// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import "maps"

// CreateBackendSetDetails is the body of CreateBackendSet of a network load balancer.
type CreateBackendSetDetails struct {
	Name                             string         `json:"name" oci:"required"`
	HealthChecker                    *HealthChecker `json:"healthChecker" oci:"required"`
	Policy                           string         `json:"policy" oci:"required" enum:"TWO_TUPLE|THREE_TUPLE|FIVE_TUPLE"`
	IPVersion                        string         `json:"ipVersion" enum:"IPV4|IPV6"`
	IsPreserveSource                 *bool          `json:"isPreserveSource"`
	IsFailOpen                       *bool          `json:"isFailOpen"`
	IsInstantFailoverEnabled         *bool          `json:"isInstantFailoverEnabled"`
	IsInstantFailoverTCPResetEnabled *bool          `json:"isInstantFailoverTcpResetEnabled"`
	AreActiveBackendsPreferred       *bool          `json:"areOperationallyActiveBackendsPreferred"`
	Backends                         []Backend      `json:"backends"`
}

// UpdateBackendSetDetails is the body of UpdateBackendSet of a network load balancer.
type UpdateBackendSetDetails struct {
	HealthChecker                    *HealthChecker `json:"healthChecker"`
	Policy                           string         `json:"policy" enum:"TWO_TUPLE|THREE_TUPLE|FIVE_TUPLE"`
	IsPreserveSource                 *bool          `json:"isPreserveSource"`
	IsFailOpen                       *bool          `json:"isFailOpen"`
	IsInstantFailoverEnabled         *bool          `json:"isInstantFailoverEnabled"`
	IsInstantFailoverTCPResetEnabled *bool          `json:"isInstantFailoverTcpResetEnabled"`
	AreActiveBackendsPreferred       *bool          `json:"areOperationallyActiveBackendsPreferred"`
	Backends                         *[]Backend     `json:"backends"`
}

// UpdateListenerDetails is the body of UpdateListener of a network load balancer.
type UpdateListenerDetails struct {
	DefaultBackendSetName string `json:"defaultBackendSetName"`
	Port                  *int   `json:"port"`
	Protocol              string `json:"protocol" enum:"ANY|TCP|UDP|TCP_AND_UDP|L3IP"`
}

// UpdateGroupsDetails is the body of UpdateNetworkSecurityGroups, of both kinds of load balancers.
type UpdateGroupsDetails struct {
	NetworkSecurityGroupIDs []string `json:"networkSecurityGroupIds"`
}

// CreateBackendSet adds a backend set to a network load balancer.
func (s *State) CreateBackendSet(caller *User, id, ifMatch string, details CreateBackendSetDetails) (*WorkRequest, error) {
	balancer, err := s.balancerFor(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	if _, known := balancer.BackendSets[details.Name]; known {
		return nil, ErrConflict("The load balancer already has a backend set '%s'", details.Name)
	}
	sets, err := s.checkSets(caller, map[string]BackendSet{details.Name: {
		HealthChecker: details.HealthChecker, Policy: details.Policy, IPVersion: details.IPVersion, Backends: details.Backends,
		IsPreserveSource: details.IsPreserveSource, IsFailOpen: details.IsFailOpen, IsInstantFailoverEnabled: details.IsInstantFailoverEnabled,
		IsInstantFailoverTCPResetEnabled: details.IsInstantFailoverTCPResetEnabled, AreActiveBackendsPreferred: details.AreActiveBackendsPreferred,
	}})
	if err != nil {
		return nil, err
	}
	return s.changeBalancer(balancer, "CREATE_BACKENDSET", func() { balancer.putSet(sets[details.Name]) }), nil
}

// UpdateBackendSet changes the given fields of a backend set.
func (s *State) UpdateBackendSet(caller *User, id, name, ifMatch string, details UpdateBackendSetDetails) (*WorkRequest, error) {
	return s.changeSet(caller, id, name, ifMatch, "UPDATE_BACKENDSET", func(set *BackendSet) error {
		if details.HealthChecker != nil {
			set.HealthChecker = details.HealthChecker
		}
		if details.Policy != "" {
			set.Policy = details.Policy
		}
		for field, given := range map[**bool]*bool{
			&set.IsPreserveSource: details.IsPreserveSource, &set.IsFailOpen: details.IsFailOpen,
			&set.IsInstantFailoverEnabled:         details.IsInstantFailoverEnabled,
			&set.IsInstantFailoverTCPResetEnabled: details.IsInstantFailoverTCPResetEnabled,
			&set.AreActiveBackendsPreferred:       details.AreActiveBackendsPreferred,
		} {
			if given != nil {
				*field = given
			}
		}
		if details.Backends != nil {
			set.Backends = *details.Backends
		}
		checked, err := s.checkSets(caller, map[string]BackendSet{name: *set})
		*set = checked[name]
		return err
	})
}

// CreateListener adds a listener to a network load balancer.
func (s *State) CreateListener(caller *User, id, ifMatch string, listener Listener) (*WorkRequest, error) {
	balancer, err := s.balancerFor(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	if _, known := balancer.Listeners[listener.Name]; known {
		return nil, ErrConflict("The load balancer already has a listener '%s'", listener.Name)
	}
	return s.putListener(balancer, "CREATE_LISTENER", listener)
}

// UpdateListener changes the given fields of a listener.
func (s *State) UpdateListener(caller *User, id, name, ifMatch string, details UpdateListenerDetails) (*WorkRequest, error) {
	balancer, err := s.balancerFor(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	listener, known := balancer.Listeners[name]
	if !known {
		return nil, ErrNotFound()
	}
	if details.DefaultBackendSetName != "" {
		listener.DefaultBackendSetName = details.DefaultBackendSetName
	}
	if details.Port != nil {
		listener.Port = details.Port
	}
	if details.Protocol != "" {
		listener.Protocol = details.Protocol
	}
	return s.putListener(balancer, "UPDATE_LISTENER", listener)
}

func (s *State) putListener(balancer *NetworkLoadBalancer, operation string, listener Listener) (*WorkRequest, error) {
	if _, err := checkListeners(map[string]Listener{listener.Name: listener}, balancer.BackendSets); err != nil {
		return nil, err
	}
	return s.changeBalancer(balancer, operation, func() {
		balancer.Listeners = maps.Clone(balancer.Listeners)
		balancer.Listeners[listener.Name] = listener
	}), nil
}

// DeleteListener takes a listener off a network load balancer.
func (s *State) DeleteListener(caller *User, id, name, ifMatch string) (*WorkRequest, error) {
	balancer, err := s.balancerFor(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	if _, known := balancer.Listeners[name]; !known {
		return nil, ErrNotFound()
	}
	return s.changeBalancer(balancer, "DELETE_LISTENER", func() {
		balancer.Listeners = maps.Clone(balancer.Listeners)
		delete(balancer.Listeners, name)
	}), nil
}

// DeleteBackendSet removes a backend set without listeners from a network load balancer.
func (s *State) DeleteBackendSet(caller *User, id, name, ifMatch string) (*WorkRequest, error) {
	balancer, err := s.balancerFor(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	if _, known := balancer.BackendSets[name]; !known {
		return nil, ErrNotFound()
	}
	for _, listener := range balancer.Listeners {
		if listener.DefaultBackendSetName == name {
			return nil, ErrConflict("The backend set '%s' is used by the listener '%s'", name, listener.Name)
		}
	}
	return s.changeBalancer(balancer, "DELETE_BACKENDSET", func() {
		balancer.BackendSets = maps.Clone(balancer.BackendSets)
		delete(balancer.BackendSets, name)
	}), nil
}

// UpdateNlbGroups replaces a network load balancer's groups.
func (s *State) UpdateNlbGroups(caller *User, id, ifMatch string, details UpdateGroupsDetails) (*WorkRequest, error) {
	balancer, err := s.balancerFor(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	subnet, err := get[*Subnet](s, caller, balancer.SubnetID)
	if err != nil {
		return nil, err
	}
	if err := s.checkNsgs(caller, subnet.VcnID, details.NetworkSecurityGroupIDs); err != nil {
		return nil, err
	}
	return s.changeBalancer(balancer, "UPDATE_NSGS", func() { balancer.NetworkSecurityGroupIDs = details.NetworkSecurityGroupIDs }), nil
}
