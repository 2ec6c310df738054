// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"maps"
	"slices"
)

// defaultBackendName is <address or target>:<port>; OCI only documents a generated name (oci-go-sdk
// networkloadbalancer/create_backend_details.go).
func defaultBackendName(backend Backend) string {
	target := backend.IPAddress
	if target == "" {
		target = backend.TargetID
	}
	return fmt.Sprintf("%s:%d", target, *backend.Port)
}

// CreateNlb makes a network load balancer; it is ACTIVE when its work request has succeeded.
func (s *State) CreateNlb(caller *User, details CreateNlbDetails) (*NetworkLoadBalancer, *WorkRequest, error) {
	subnet, err := s.planBalancer(caller, details)
	if err != nil {
		return nil, nil, err
	}
	sets, err := s.checkSets(caller, details.BackendSets)
	if err != nil {
		return nil, nil, err
	}
	listeners, err := checkListeners(details.Listeners, sets)
	if err != nil {
		return nil, nil, err
	}
	balancer := &NetworkLoadBalancer{
		Meta:     s.newMeta("networkloadbalancer", details.CompartmentID, details.DisplayName, details.Tags),
		SubnetID: subnet.ID, IsPrivate: isPrivateNlb(details), NlbIPVersion: "IPV4",
		IsPreserveSourceDestination: isTrue(details.IsPreserveSourceDestination), IsSymmetricHashEnabled: isTrue(details.IsSymmetricHashEnabled),
		NetworkSecurityGroupIDs: details.NetworkSecurityGroupIDs, Listeners: listeners, BackendSets: sets,
	}
	balancer.LifecycleState = StateCreating
	// planBalancer has found the address free under the same lock.
	balancer.privateIP, _ = s.pickAddress(subnet, details.AssignedPrivateIpv4)
	balancer.IPAddresses = []BalancerIP{{IPAddress: balancer.privateIP, IPVersion: "IPV4"}}
	if !balancer.IsPrivate {
		balancer.IPAddresses = append(balancer.IPAddresses, BalancerIP{
			IPAddress: s.publicAddress(balancer.ID, details.ReservedIPs), IsPublic: true, IPVersion: "IPV4",
		})
	}
	put(s, balancer)
	return balancer, s.balancerWork(balancer, "CREATE_NETWORK_LOAD_BALANCER", "CREATED", func() { balancer.setState(StateActive) }), nil
}

// balancerWork starts a work request; the change is visible at its end. A failed one leaves the
// load balancer as it was; a failed creation leaves it FAILED.
func (s *State) balancerWork(balancer *NetworkLoadBalancer, operation, action string, change func()) *WorkRequest {
	work := s.newWorkRequest(operation, balancer.CompartmentID, "networkloadbalancer", balancer.ID, action)
	work.nlb = true
	before, failure := balancer.LifecycleState, s.failing
	s.after(s.world.delays.Network, func() {
		switch {
		case failure == nil:
			change()
			work.succeed(s)
			return
		case before == StateCreating:
			balancer.setState(StateFailed)
		default:
			balancer.setState(StateActive)
		}
		work.fail(s, failure)
	})
	return work
}

// GetNlb describes a load balancer.
func (s *State) GetNlb(caller *User, id string) (*NetworkLoadBalancer, error) {
	return get[*NetworkLoadBalancer](s, caller, id)
}

// ListNlbs lists a compartment's load balancers.
func (s *State) ListNlbs(caller *User, query ListQuery) ([]*NetworkLoadBalancer, string, error) {
	// This service writes its sort fields in camel case (oci-go-sdk
	// networkloadbalancer/list_network_load_balancers_request_response.go).
	switch query.SortBy {
	case "timeCreated":
		query.SortBy = "TIMECREATED"
	case "displayName":
		query.SortBy = "DISPLAYNAME"
	}
	return list(s, caller, query, func(*NetworkLoadBalancer) bool { return true })
}

// balancerFor finds a load balancer to change: it must be ACTIVE, another change
// under way answers Conflict.
func (s *State) balancerFor(caller *User, id, ifMatch string) (*NetworkLoadBalancer, error) {
	balancer, err := getAlive[*NetworkLoadBalancer](s, caller, id)
	if err != nil {
		return nil, err
	}
	if balancer.LifecycleState != StateActive {
		return nil, s.busy("Invalid State Transition of NLB lifeCycle state from %s to Updating", balancer.LifecycleState)
	}
	return balancer, checkMatch(balancer, ifMatch)
}

func (s *State) changeBalancer(balancer *NetworkLoadBalancer, operation string, change func()) *WorkRequest {
	balancer.setState(StateUpdating)
	return s.balancerWork(balancer, operation, "UPDATED", func() {
		change()
		balancer.setState(StateActive)
	})
}

// UpdateNlb changes a load balancer's own fields.
func (s *State) UpdateNlb(caller *User, id, ifMatch string, details UpdateNlbDetails) (*WorkRequest, error) {
	balancer, err := s.balancerFor(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	return s.changeBalancer(balancer, "UPDATE_NETWORK_LOAD_BALANCER", func() {
		if details.IsPreserveSourceDestination != nil {
			balancer.IsPreserveSourceDestination = *details.IsPreserveSourceDestination
		}
		if details.IsSymmetricHashEnabled != nil {
			balancer.IsSymmetricHashEnabled = *details.IsSymmetricHashEnabled
		}
		balancer.update(details.DisplayName, details.Tags)
	}), nil
}

// DeleteNlb removes a load balancer, ACTIVE or FAILED.
func (s *State) DeleteNlb(caller *User, id, ifMatch string) (*WorkRequest, error) {
	balancer, err := getAlive[*NetworkLoadBalancer](s, caller, id)
	if err != nil {
		return nil, err
	}
	if balancer.LifecycleState != StateFailed {
		if balancer, err = s.balancerFor(caller, id, ifMatch); err != nil {
			return nil, err
		}
	}
	balancer.setState(StateDeleting)
	return s.balancerWork(balancer, "DELETE_NETWORK_LOAD_BALANCER", "DELETED", func() {
		s.releasePublicIPs(balancer.ID)
		s.gone(balancer, StateDeleted)
	}), nil
}

// changeSet replaces one backend set, at the end of a work request, by the result of change.
func (s *State) changeSet(caller *User, id, name, ifMatch, operation string, change func(*BackendSet) error) (*WorkRequest, error) {
	balancer, err := s.balancerFor(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	set, ok := balancer.BackendSets[name]
	if !ok {
		return nil, ErrNotFound()
	}
	if err := change(&set); err != nil {
		return nil, err
	}
	return s.changeBalancer(balancer, operation, func() { balancer.putSet(set) }), nil
}

func (n *NetworkLoadBalancer) putSet(set BackendSet) {
	n.BackendSets = maps.Clone(n.BackendSets)
	n.BackendSets[set.Name] = set
}

// CreateBackend adds a server to a backend set.
func (s *State) CreateBackend(caller *User, id, set, ifMatch string, details Backend) (*WorkRequest, error) {
	return s.changeSet(caller, id, set, ifMatch, "CREATE_BACKEND", func(set *BackendSet) error {
		backend, err := s.checkBackend(caller, details)
		if err != nil {
			return err
		}
		if set.place(backend.Name) >= 0 {
			return s.exists("The backend set already has a backend '%s'", backend.Name)
		}
		set.Backends = append(slices.Clone(set.Backends), backend)
		return nil
	})
}

// UpdateBackendDetails is the body of UpdateBackend.
type UpdateBackendDetails struct {
	Weight    *int  `json:"weight"`
	IsDrain   *bool `json:"isDrain"`
	IsBackup  *bool `json:"isBackup"`
	IsOffline *bool `json:"isOffline"`
}

// UpdateBackend changes a server of a backend set.
func (s *State) UpdateBackend(caller *User, id, set, name, ifMatch string, details UpdateBackendDetails) (*WorkRequest, error) {
	return s.changeSet(caller, id, set, ifMatch, "UPDATE_BACKEND", func(set *BackendSet) error {
		place := set.place(name)
		if place < 0 {
			return ErrNotFound()
		}
		set.Backends = slices.Clone(set.Backends)
		backend := &set.Backends[place]
		if details.Weight != nil {
			backend.Weight = details.Weight
		}
		if details.IsDrain != nil {
			backend.IsDrain = details.IsDrain
		}
		if details.IsBackup != nil {
			backend.IsBackup = details.IsBackup
		}
		if details.IsOffline != nil {
			backend.IsOffline = details.IsOffline
		}
		return nil
	})
}

// DeleteBackend takes a server out of a backend set.
func (s *State) DeleteBackend(caller *User, id, set, name, ifMatch string) (*WorkRequest, error) {
	return s.changeSet(caller, id, set, ifMatch, "DELETE_BACKEND", func(set *BackendSet) error {
		place := set.place(name)
		if place < 0 {
			return ErrNotFound()
		}
		set.Backends = slices.Delete(slices.Clone(set.Backends), place, place+1)
		return nil
	})
}

// UpdateHealthChecker replaces a backend set's health check.
func (s *State) UpdateHealthChecker(caller *User, id, set, ifMatch string, details HealthChecker) (*WorkRequest, error) {
	return s.changeSet(caller, id, set, ifMatch, "UPDATE_HEALTH_CHECKER", func(set *BackendSet) error {
		set.HealthChecker = &details
		return checkHealth(&details)
	})
}

// BackendSet finds a backend set by name.
func (s *State) BackendSet(caller *User, id, name string) (BackendSet, error) {
	balancer, err := s.GetNlb(caller, id)
	if err != nil {
		return BackendSet{}, err
	}
	set, ok := balancer.BackendSets[name]
	if !ok {
		return BackendSet{}, ErrNotFound()
	}
	return set, nil
}

// Backend finds a server of a backend set by name.
func (s *State) Backend(caller *User, id, set, name string) (Backend, error) {
	found, err := s.BackendSet(caller, id, set)
	if err != nil {
		return Backend{}, err
	}
	place := found.place(name)
	if place < 0 {
		return Backend{}, ErrNotFound()
	}
	return found.Backends[place], nil
}

func (b BackendSet) place(name string) int {
	return slices.IndexFunc(b.Backends, func(backend Backend) bool { return backend.Name == name })
}
