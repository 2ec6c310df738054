// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"maps"
	"slices"
	"time"
)

// CreateLb makes a classic load balancer; it is ACTIVE when its work request has succeeded. The
// work request alone names it.
func (s *State) CreateLb(caller *User, details CreateLbDetails) (*LbWorkRequest, error) {
	subnet, err := s.planLb(caller, details)
	if err != nil {
		return nil, err
	}
	sets, err := checkLbSets(details.BackendSets)
	if err != nil {
		return nil, err
	}
	listeners, err := checkLbListeners(details.Listeners, sets)
	if err != nil {
		return nil, err
	}
	balancer := &LoadBalancer{
		Meta:      s.newMeta("loadbalancer", details.CompartmentID, details.DisplayName, details.Tags),
		ShapeName: details.ShapeName, ShapeDetails: details.ShapeDetails, IsPrivate: isTrue(details.IsPrivate),
		IsDeleteProtectionEnabled: isTrue(details.IsDeleteProtectionEnabled), SubnetIDs: details.SubnetIDs,
		NetworkSecurityGroupIDs: details.NetworkSecurityGroupIDs, Listeners: listeners, BackendSets: sets,
	}
	balancer.LifecycleState = StateCreating
	// planLb has found the address free under the same lock.
	balancer.privateIP, _ = s.pickAddress(subnet, "")
	balancer.IPAddresses = []LbIP{{IPAddress: balancer.privateIP}}
	if !balancer.IsPrivate {
		balancer.IPAddresses = []LbIP{{IPAddress: s.publicAddress(balancer.ID, details.ReservedIPs), IsPublic: true}}
	}
	put(s, balancer)
	return s.lbWork(balancer, "CreateLoadBalancer", func() { balancer.setState(StateActive) }), nil
}

// lbWork starts a work request; the change is visible at its end. A failed one leaves the load
// balancer as it was; a failed creation leaves it FAILED.
func (s *State) lbWork(balancer *LoadBalancer, operation string, change func()) *LbWorkRequest {
	work := &LbWorkRequest{
		LoadBalancerID: balancer.ID, CompartmentID: balancer.CompartmentID, Type: operation, LifecycleState: "ACCEPTED",
		ErrorDetails: []any{}, base: s.newMeta("loadbalancerworkrequest", balancer.CompartmentID, "", Tags{}),
	}
	work.ID, work.TimeAccepted = work.base.ID, work.base.TimeCreated
	put(s, work)
	balancer.changing = true
	before, failure := balancer.LifecycleState, s.failing
	s.after(s.world.delays.Network/2, func() {
		// On a busy machine the end may come first.
		if work.TimeFinished == nil {
			work.LifecycleState = "IN_PROGRESS"
		}
	})
	s.after(s.world.delays.Network, func() {
		balancer.changing = false
		now := s.world.clock.Now().UTC()
		work.TimeFinished = &now
		if failure == nil {
			change()
			work.LifecycleState = "SUCCEEDED"
			return
		}
		work.LifecycleState, work.Message = "FAILED", failure.Message
		work.ErrorDetails = []any{map[string]string{"errorCode": lbErrorCode(failure), "message": failure.Message}}
		if before == StateCreating {
			balancer.setState(StateFailed)
		} else {
			balancer.setState(StateActive)
		}
	})
	s.after(s.world.delays.Retention+time.Hour, func() { s.forget(work) })
	return work
}

// lbErrorCode is one of the service's two codes (oci-go-sdk loadbalancer/work_request_error.go).
func lbErrorCode(failure *Error) string {
	if failure.Code == "BAD_INPUT" {
		return failure.Code
	}
	return "INTERNAL_ERROR"
}

// GetLb describes a classic load balancer.
func (s *State) GetLb(caller *User, id string) (*LoadBalancer, error) {
	return get[*LoadBalancer](s, caller, id)
}

// ListLbs lists a compartment's classic load balancers.
func (s *State) ListLbs(caller *User, query ListQuery) ([]*LoadBalancer, string, error) {
	return list(s, caller, query, func(*LoadBalancer) bool { return true })
}

// lbFor finds a load balancer to change: it must be ACTIVE and without another
// change under way.
func (s *State) lbFor(caller *User, id, ifMatch string) (*LoadBalancer, error) {
	balancer, err := getAlive[*LoadBalancer](s, caller, id)
	if err != nil {
		return nil, err
	}
	if balancer.LifecycleState != StateActive || balancer.changing {
		return nil, ErrIncorrectState("The load balancer %s is in the state %s and may have a change under way", id, balancer.LifecycleState)
	}
	return balancer, checkMatch(balancer, ifMatch)
}

// UpdateLb changes a load balancer's own fields.
func (s *State) UpdateLb(caller *User, id, ifMatch string, details UpdateLbDetails) (*LbWorkRequest, error) {
	balancer, err := s.lbFor(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	return s.lbWork(balancer, "UpdateLoadBalancer", func() {
		if details.IsDeleteProtectionEnabled != nil {
			balancer.IsDeleteProtectionEnabled = *details.IsDeleteProtectionEnabled
		}
		balancer.update(details.DisplayName, details.Tags)
	}), nil
}

// DeleteLb removes an unprotected load balancer, ACTIVE or FAILED.
func (s *State) DeleteLb(caller *User, id, ifMatch string) (*LbWorkRequest, error) {
	balancer, err := getAlive[*LoadBalancer](s, caller, id)
	if err != nil {
		return nil, err
	}
	if balancer.LifecycleState != StateFailed {
		if balancer, err = s.lbFor(caller, id, ifMatch); err != nil {
			return nil, err
		}
	}
	if balancer.IsDeleteProtectionEnabled {
		return nil, ErrConflict("The load balancer %s is protected against deletion", id)
	}
	balancer.setState(StateDeleting)
	return s.lbWork(balancer, "DeleteLoadBalancer", func() {
		s.releasePublicIPs(balancer.ID)
		s.gone(balancer, StateDeleted)
	}), nil
}

// changeLbSet replaces, at the end of a work request, one backend set by the result of change.
func (s *State) changeLbSet(caller *User, id, name, ifMatch, operation string, change func(*LbBackendSet) error) (*LbWorkRequest, error) {
	balancer, err := s.lbFor(caller, id, ifMatch)
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
	return s.lbWork(balancer, operation, func() {
		sets := maps.Clone(balancer.BackendSets)
		sets[name] = set
		balancer.BackendSets = sets
		balancer.revision++
	}), nil
}

// CreateLbBackend adds a server to a backend set.
func (s *State) CreateLbBackend(caller *User, id, set, ifMatch string, details LbBackend) (*LbWorkRequest, error) {
	return s.changeLbSet(caller, id, set, ifMatch, "CreateBackend", func(set *LbBackendSet) error { return set.add(details) })
}

// DeleteLbBackend takes a server out of a backend set.
func (s *State) DeleteLbBackend(caller *User, id, set, name, ifMatch string) (*LbWorkRequest, error) {
	return s.changeLbSet(caller, id, set, ifMatch, "DeleteBackend", func(set *LbBackendSet) error {
		place := set.place(name)
		if place < 0 {
			return ErrNotFound()
		}
		set.Backends = slices.Delete(slices.Clone(set.Backends), place, place+1)
		return nil
	})
}

// GetLbWork describes a work request of the classic load balancer service.
func (s *State) GetLbWork(caller *User, id string) (*LbWorkRequest, error) {
	return get[*LbWorkRequest](s, caller, id)
}

// ListLbWork lists a load balancer's work requests, newest first.
func (s *State) ListLbWork(caller *User, id string, query ListQuery) ([]*LbWorkRequest, string, error) {
	if _, err := s.GetLb(caller, id); err != nil {
		return nil, "", err
	}
	works := []*LbWorkRequest{}
	for _, work := range all[*LbWorkRequest](s) {
		if work.LoadBalancerID == id {
			works = append(works, work)
		}
	}
	slices.Reverse(works)
	return paginate(s, works, query, func(w *LbWorkRequest) string { return w.ID })
}
