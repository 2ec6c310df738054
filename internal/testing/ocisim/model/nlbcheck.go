// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"net/netip"
	"strings"
)

// CreateNlbDetails is the body of CreateNetworkLoadBalancer.
type CreateNlbDetails struct {
	CompartmentID               string                `json:"compartmentId" oci:"required"`
	DisplayName                 string                `json:"displayName" oci:"required"`
	SubnetID                    string                `json:"subnetId" oci:"required"`
	IsPrivate                   *bool                 `json:"isPrivate"`
	IsPreserveSourceDestination *bool                 `json:"isPreserveSourceDestination"`
	IsSymmetricHashEnabled      *bool                 `json:"isSymmetricHashEnabled"`
	ReservedIPs                 []ReservedIP          `json:"reservedIps"`
	NetworkSecurityGroupIDs     []string              `json:"networkSecurityGroupIds"`
	NlbIPVersion                string                `json:"nlbIpVersion" enum:"IPV4|IPV4_AND_IPV6|IPV6"`
	SubnetIpv6Cidr              string                `json:"subnetIpv6Cidr"`
	AssignedPrivateIpv4         string                `json:"assignedPrivateIpv4"`
	AssignedIpv6                string                `json:"assignedIpv6"`
	Listeners                   map[string]Listener   `json:"listeners"`
	BackendSets                 map[string]BackendSet `json:"backendSets"`
	Tags
}

// ReservedIP names a reserved public IP.
type ReservedIP struct {
	ID string `json:"id"`
}

// UpdateNlbDetails is the body of UpdateNetworkLoadBalancer.
type UpdateNlbDetails struct {
	DisplayName                 *string `json:"displayName"`
	IsPreserveSourceDestination *bool   `json:"isPreserveSourceDestination"`
	IsSymmetricHashEnabled      *bool   `json:"isSymmetricHashEnabled"`
	NlbIPVersion                string  `json:"nlbIpVersion" enum:"IPV4|IPV4_AND_IPV6|IPV6"`
	Tags
}

// isPrivateNlb applies the default of oci-go-sdk
// networkloadbalancer/create_network_load_balancer_details.go: "This value is true by default."
func isPrivateNlb(details CreateNlbDetails) bool {
	return details.IsPrivate == nil || *details.IsPrivate
}

// planBalancer checks a load balancer's references.
func (s *State) planBalancer(caller *User, details CreateNlbDetails) (*Subnet, error) {
	if err := s.checkCompartment(caller, details.CompartmentID); err != nil {
		return nil, err
	}
	subnet, err := getAlive[*Subnet](s, caller, details.SubnetID)
	if err != nil {
		return nil, err
	}
	if subnet.LifecycleState != StateAvailable {
		return nil, ErrIncorrectState("The subnet %s is in the state %s", subnet.ID, subnet.LifecycleState)
	}
	if err := s.checkReserved(caller, details.ReservedIPs, isPrivateNlb(details)); err != nil {
		return nil, err
	}
	if details.NlbIPVersion != "" && details.NlbIPVersion != "IPV4" || details.SubnetIpv6Cidr != "" || details.AssignedIpv6 != "" {
		return nil, ErrInvalid("The subnet %s is not IPv6 enabled", subnet.ID)
	}
	if !isPrivateNlb(details) && subnet.ProhibitPublicIPOnVnic {
		return nil, ErrInvalid("A public network load balancer needs a public subnet, %s is private", subnet.ID)
	}
	if err := s.checkNsgs(caller, subnet.VcnID, details.NetworkSecurityGroupIDs); err != nil {
		return nil, err
	}
	if _, err := s.pickAddress(subnet, details.AssignedPrivateIpv4); err != nil {
		return nil, err
	}
	return subnet, s.checkLimits(details.CompartmentID, "", demand{"network-load-balancer-count": 1})
}

// checkSets names the backend sets by their keys, applies defaults and refuses bad backends.
func (s *State) checkSets(caller *User, sets map[string]BackendSet) (map[string]BackendSet, error) {
	checked := map[string]BackendSet{}
	for name, set := range sets {
		if err := checkHealth(set.HealthChecker); err != nil {
			return nil, err
		}
		if set.IsPreserveSource == nil {
			// oci-go-sdk networkloadbalancer/backend_set_details.go: "The value is true by
			// default."
			preserved := true
			set.IsPreserveSource = &preserved
		}
		set.Name = name
		if set.Policy == "" {
			set.Policy = "FIVE_TUPLE"
		}
		backends := []Backend{}
		for _, backend := range set.Backends {
			ready, err := s.checkBackend(caller, backend)
			if err != nil {
				return nil, err
			}
			backends = append(backends, ready)
		}
		set.Backends = backends
		checked[name] = set
	}
	return checked, nil
}

func checkListeners(listeners map[string]Listener, sets map[string]BackendSet) (map[string]Listener, error) {
	checked := map[string]Listener{}
	for key, listener := range listeners {
		if key != listener.Name {
			return nil, ErrInvalid("The listener '%s' is named '%s'", key, listener.Name)
		}
		if _, ok := sets[listener.DefaultBackendSetName]; !ok {
			return nil, ErrInvalid("The listener '%s' names the unknown backend set '%s'", key, listener.DefaultBackendSetName)
		}
		if *listener.Port < 0 || *listener.Port > 65535 || (*listener.Port == 0) != (listener.Protocol == "ANY") {
			return nil, ErrInvalid("The port %d is not valid for a listener of protocol %s", *listener.Port, listener.Protocol)
		}
		checked[key] = listener
	}
	return checked, nil
}

// checkHealth fills in the defaults of oci-go-sdk networkloadbalancer/health_checker.go
// (10 s interval, 3 s timeout, 3 retries) and refuses bad ports and an HTTP
// check without a path.
func checkHealth(checker *HealthChecker) error {
	if checker.Port != nil && (*checker.Port < 0 || *checker.Port > 65535) {
		return ErrInvalid("healthChecker.port %d is not valid", *checker.Port)
	}
	if strings.HasPrefix(checker.Protocol, "HTTP") && checker.URLPath == "" {
		return ErrMissing("healthChecker.urlPath")
	}
	checker.IntervalInMillis = intOr(checker.IntervalInMillis, 10000)
	checker.TimeoutInMillis = intOr(checker.TimeoutInMillis, 3000)
	checker.Retries = intOr(checker.Retries, 3)
	return nil
}

func intOr(value *int, standard int) *int {
	if value == nil {
		return &standard
	}
	return value
}

func (s *State) checkBackend(caller *User, backend Backend) (Backend, error) {
	if (backend.IPAddress == "") == (backend.TargetID == "") {
		return backend, ErrInvalid("A backend needs either ipAddress or targetId")
	}
	if backend.IPAddress != "" {
		if _, err := netip.ParseAddr(backend.IPAddress); err != nil {
			return backend, ErrInvalid("ipAddress '%s' is not valid", backend.IPAddress)
		}
	}
	if backend.TargetID != "" {
		if _, err := getAlive[*Instance](s, caller, backend.TargetID); err != nil {
			return backend, err
		}
	}
	if *backend.Port < 1 || *backend.Port > 65535 {
		return backend, ErrInvalid("The backend port %d is not valid", *backend.Port)
	}
	backend.Weight = intOr(backend.Weight, 1)
	if backend.Name == "" {
		backend.Name = defaultBackendName(backend)
	}
	return backend, nil
}
