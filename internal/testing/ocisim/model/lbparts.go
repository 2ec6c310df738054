// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import "maps"

// UpdateLbSetDetails is the body of UpdateBackendSet of a classic load balancer; it replaces all of
// the set.
type UpdateLbSetDetails struct {
	Policy        string           `json:"policy" oci:"required" enum:"ROUND_ROBIN|LEAST_CONNECTIONS|IP_HASH"`
	HealthChecker *LbHealthChecker `json:"healthChecker" oci:"required"`
	Backends      []LbBackend      `json:"backends" oci:"required"`
}

// CreateLbSetDetails is the body of CreateBackendSet of a classic load balancer.
type CreateLbSetDetails struct {
	Name          string           `json:"name" oci:"required"`
	Policy        string           `json:"policy" oci:"required" enum:"ROUND_ROBIN|LEAST_CONNECTIONS|IP_HASH"`
	HealthChecker *LbHealthChecker `json:"healthChecker" oci:"required"`
	Backends      []LbBackend      `json:"backends"`
}

// UpdateLbListenerDetails is the body of UpdateListener of a classic load balancer; it replaces all
// of the listener.
type UpdateLbListenerDetails struct {
	DefaultBackendSetName string `json:"defaultBackendSetName" oci:"required"`
	Port                  *int   `json:"port" oci:"required"`
	Protocol              string `json:"protocol" oci:"required" enum:"HTTP|HTTP2|TCP|GRPC"`
}

// CreateLbListenerDetails is the body of CreateListener of a classic load balancer.
type CreateLbListenerDetails struct {
	Name                  string `json:"name" oci:"required"`
	DefaultBackendSetName string `json:"defaultBackendSetName" oci:"required"`
	Port                  *int   `json:"port" oci:"required"`
	Protocol              string `json:"protocol" oci:"required" enum:"HTTP|HTTP2|TCP|GRPC"`
}

// UpdateLbShapeDetails is the body of UpdateLoadBalancerShape.
type UpdateLbShapeDetails struct {
	ShapeName    string   `json:"shapeName" oci:"required" enum:"flexible"`
	ShapeDetails *LbShape `json:"shapeDetails"`
}

// CreateLbSet adds a backend set to a classic load balancer.
func (s *State) CreateLbSet(caller *User, id, ifMatch string, details CreateLbSetDetails) (*LbWorkRequest, error) {
	balancer, err := s.lbFor(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	if _, known := balancer.BackendSets[details.Name]; known {
		return nil, ErrConflict("The load balancer already has a backend set '%s'", details.Name)
	}
	return s.putLbSet(balancer, "CreateBackendSet", details.Name, LbBackendSet{
		Policy: details.Policy, HealthChecker: details.HealthChecker, Backends: details.Backends,
	})
}

// UpdateLbSet replaces a backend set.
func (s *State) UpdateLbSet(caller *User, id, name, ifMatch string, details UpdateLbSetDetails) (*LbWorkRequest, error) {
	balancer, err := s.lbFor(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	if _, known := balancer.BackendSets[name]; !known {
		return nil, ErrNotFound()
	}
	return s.putLbSet(balancer, "UpdateBackendSet", name, LbBackendSet{
		Policy: details.Policy, HealthChecker: details.HealthChecker, Backends: details.Backends,
	})
}

func (s *State) putLbSet(balancer *LoadBalancer, operation, name string, set LbBackendSet) (*LbWorkRequest, error) {
	checked, err := checkLbSets(map[string]LbBackendSet{name: set})
	if err != nil {
		return nil, err
	}
	return s.lbWork(balancer, operation, func() {
		balancer.BackendSets = maps.Clone(balancer.BackendSets)
		balancer.BackendSets[name] = checked[name]
		balancer.revision++
	}), nil
}

// DeleteLbSet removes a backend set without listeners from a classic load balancer.
func (s *State) DeleteLbSet(caller *User, id, name, ifMatch string) (*LbWorkRequest, error) {
	balancer, err := s.lbFor(caller, id, ifMatch)
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
	return s.lbWork(balancer, "DeleteBackendSet", func() {
		balancer.BackendSets = maps.Clone(balancer.BackendSets)
		delete(balancer.BackendSets, name)
		balancer.revision++
	}), nil
}

// CreateLbListener adds a listener to a classic load balancer.
func (s *State) CreateLbListener(caller *User, id, ifMatch string, details CreateLbListenerDetails) (*LbWorkRequest, error) {
	balancer, err := s.lbFor(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	if _, known := balancer.Listeners[details.Name]; known {
		return nil, ErrConflict("The load balancer already has a listener '%s'", details.Name)
	}
	return s.putLbListener(balancer, "CreateListener", details.Name, LbListener{
		DefaultBackendSetName: details.DefaultBackendSetName, Port: details.Port, Protocol: details.Protocol,
	})
}

// UpdateLbListener replaces a listener.
func (s *State) UpdateLbListener(caller *User, id, name, ifMatch string, details UpdateLbListenerDetails) (*LbWorkRequest, error) {
	balancer, err := s.lbFor(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	if _, known := balancer.Listeners[name]; !known {
		return nil, ErrNotFound()
	}
	return s.putLbListener(balancer, "UpdateListener", name, LbListener{
		DefaultBackendSetName: details.DefaultBackendSetName, Port: details.Port, Protocol: details.Protocol,
	})
}

func (s *State) putLbListener(balancer *LoadBalancer, operation, name string, listener LbListener) (*LbWorkRequest, error) {
	checked, err := checkLbListeners(map[string]LbListener{name: listener}, balancer.BackendSets)
	if err != nil {
		return nil, err
	}
	return s.lbWork(balancer, operation, func() {
		balancer.Listeners = maps.Clone(balancer.Listeners)
		balancer.Listeners[name] = checked[name]
		balancer.revision++
	}), nil
}

// DeleteLbListener takes a listener off a classic load balancer.
func (s *State) DeleteLbListener(caller *User, id, name, ifMatch string) (*LbWorkRequest, error) {
	balancer, err := s.lbFor(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	if _, known := balancer.Listeners[name]; !known {
		return nil, ErrNotFound()
	}
	return s.lbWork(balancer, "DeleteListener", func() {
		balancer.Listeners = maps.Clone(balancer.Listeners)
		delete(balancer.Listeners, name)
		balancer.revision++
	}), nil
}

// UpdateLbGroups replaces a classic load balancer's groups.
func (s *State) UpdateLbGroups(caller *User, id, ifMatch string, details UpdateGroupsDetails) (*LbWorkRequest, error) {
	balancer, err := s.lbFor(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	subnet, err := get[*Subnet](s, caller, balancer.SubnetIDs[0])
	if err != nil {
		return nil, err
	}
	if err := s.checkNsgs(caller, subnet.VcnID, details.NetworkSecurityGroupIDs); err != nil {
		return nil, err
	}
	return s.lbWork(balancer, "UpdateNetworkSecurityGroups", func() {
		balancer.NetworkSecurityGroupIDs = details.NetworkSecurityGroupIDs
		balancer.revision++
	}), nil
}

// UpdateLbShape changes the bandwidth of a flexible load balancer.
func (s *State) UpdateLbShape(caller *User, id, ifMatch string, details UpdateLbShapeDetails) (*LbWorkRequest, error) {
	balancer, err := s.lbFor(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	if err := checkLbShape(details.ShapeName, details.ShapeDetails); err != nil {
		return nil, err
	}
	return s.lbWork(balancer, "UpdateShape", func() {
		balancer.ShapeName, balancer.ShapeDetails = details.ShapeName, details.ShapeDetails
		balancer.revision++
	}), nil
}
