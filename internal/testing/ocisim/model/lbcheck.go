// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"net/netip"
	"slices"
)

// CreateLbDetails is the body of CreateLoadBalancer.
type CreateLbDetails struct {
	CompartmentID             string                  `json:"compartmentId" oci:"required"`
	DisplayName               string                  `json:"displayName" oci:"required"`
	ShapeName                 string                  `json:"shapeName" oci:"required" enum:"flexible|10Mbps|100Mbps|400Mbps|8000Mbps"`
	SubnetIDs                 []string                `json:"subnetIds" oci:"required"`
	ShapeDetails              *LbShape                `json:"shapeDetails"`
	IsPrivate                 *bool                   `json:"isPrivate"`
	IsDeleteProtectionEnabled *bool                   `json:"isDeleteProtectionEnabled"`
	IPMode                    string                  `json:"ipMode" enum:"IPV4|IPV6"`
	ReservedIPs               []ReservedIP            `json:"reservedIps"`
	NetworkSecurityGroupIDs   []string                `json:"networkSecurityGroupIds"`
	Listeners                 map[string]LbListener   `json:"listeners"`
	BackendSets               map[string]LbBackendSet `json:"backendSets"`
	Tags
}

// UpdateLbDetails is the body of UpdateLoadBalancer.
type UpdateLbDetails struct {
	DisplayName               *string `json:"displayName"`
	IsDeleteProtectionEnabled *bool   `json:"isDeleteProtectionEnabled"`
	Tags
}

// planLb checks a load balancer's references. One regional subnet is simulated, not the older pair
// of subnets in two availability domains.
func (s *State) planLb(caller *User, details CreateLbDetails) (*Subnet, error) {
	if err := s.checkCompartment(caller, details.CompartmentID); err != nil {
		return nil, err
	}
	if len(details.SubnetIDs) != 1 {
		return nil, ErrInvalid("subnetIds must name one regional subnet")
	}
	subnet, err := getAlive[*Subnet](s, caller, details.SubnetIDs[0])
	if err != nil {
		return nil, err
	}
	if subnet.LifecycleState != StateAvailable {
		return nil, ErrIncorrectState("The subnet %s is in the state %s", subnet.ID, subnet.LifecycleState)
	}
	if err := s.checkReserved(caller, details.ReservedIPs, isTrue(details.IsPrivate)); err != nil {
		return nil, err
	}
	if details.IPMode == "IPV6" {
		return nil, ErrInvalid("The subnet %s is not IPv6 enabled", subnet.ID)
	}
	if !isTrue(details.IsPrivate) && subnet.ProhibitPublicIPOnVnic {
		return nil, ErrInvalid("A public load balancer needs a public subnet, %s is private", subnet.ID)
	}
	if err := checkLbShape(details.ShapeName, details.ShapeDetails); err != nil {
		return nil, err
	}
	if err := s.checkNsgs(caller, subnet.VcnID, details.NetworkSecurityGroupIDs); err != nil {
		return nil, err
	}
	_, err = s.pickAddress(subnet, "")
	return subnet, err
}

// checkLbShape wants 10 to 8000 Mbps of a flexible load balancer, and no
// details of another (oci-go-sdk loadbalancer/shape_details.go).
func checkLbShape(name string, shape *LbShape) error {
	if name != "flexible" {
		if shape != nil {
			return ErrInvalid("shapeDetails are for the shape flexible only")
		}
		return nil
	}
	if shape == nil {
		return ErrMissing("shapeDetails")
	}
	if *shape.Minimum < 10 || *shape.Maximum > 8000 || *shape.Minimum > *shape.Maximum {
		return ErrInvalid("shapeDetails from %d to %d Mbps are not valid", *shape.Minimum, *shape.Maximum)
	}
	return nil
}

// checkLbSets names the backend sets by their keys, applies defaults and refuses bad backends.
func checkLbSets(sets map[string]LbBackendSet) (map[string]LbBackendSet, error) {
	checked := map[string]LbBackendSet{}
	for name, set := range sets {
		if set.Name != "" {
			return nil, ErrCannotParse("Incorrectly formatted request. Unrecognized field: backendSets.%s.name", name)
		}
		if err := checkLbHealth(set.HealthChecker); err != nil {
			return nil, err
		}
		set.Name = name
		given := set.Backends
		set.Backends = []LbBackend{}
		for _, backend := range given {
			if err := set.add(backend); err != nil {
				return nil, err
			}
		}
		checked[name] = set
	}
	return checked, nil
}

// checkLbHealth fills in the defaults of oci-go-sdk loadbalancer/health_checker.go.
func checkLbHealth(checker *LbHealthChecker) error {
	if checker.Port != nil && (*checker.Port < 0 || *checker.Port > 65535) {
		return ErrInvalid("healthChecker.port %d is not valid", *checker.Port)
	}
	if checker.Protocol == "HTTP" && checker.URLPath == "" {
		return ErrMissing("healthChecker.urlPath")
	}
	if checker.ResponseBodyRegex == nil {
		anything := ".*"
		checker.ResponseBodyRegex = &anything
	}
	checker.Port = intOr(checker.Port, 0)
	checker.ReturnCode = intOr(checker.ReturnCode, 200)
	checker.IntervalInMillis = intOr(checker.IntervalInMillis, 10000)
	checker.TimeoutInMillis = intOr(checker.TimeoutInMillis, 3000)
	checker.Retries = intOr(checker.Retries, 3)
	return nil
}

func checkLbListeners(listeners map[string]LbListener, sets map[string]LbBackendSet) (map[string]LbListener, error) {
	checked := map[string]LbListener{}
	for name, listener := range listeners {
		if listener.Name != "" {
			return nil, ErrCannotParse("Incorrectly formatted request. Unrecognized field: listeners.%s.name", name)
		}
		if _, ok := sets[listener.DefaultBackendSetName]; !ok {
			return nil, ErrInvalid("The listener '%s' names the unknown backend set '%s'", name, listener.DefaultBackendSetName)
		}
		if *listener.Port < 1 || *listener.Port > 65535 {
			return nil, ErrInvalid("The listener port %d is not valid", *listener.Port)
		}
		listener.Name = name
		checked[name] = listener
	}
	return checked, nil
}

// add checks a backend, names it as OCI does, and adds it to a copy of the list.
func (b *LbBackendSet) add(backend LbBackend) error {
	if backend.Name != "" {
		return ErrCannotParse("Incorrectly formatted request. Unrecognized field: name")
	}
	if _, err := netip.ParseAddr(backend.IPAddress); err != nil {
		return ErrInvalid("ipAddress '%s' is not valid", backend.IPAddress)
	}
	if *backend.Port < 1 || *backend.Port > 65535 {
		return ErrInvalid("The backend port %d is not valid", *backend.Port)
	}
	backend.Weight = intOr(backend.Weight, 1)
	backend.Name = fmt.Sprintf("%s:%d", backend.IPAddress, *backend.Port)
	if b.place(backend.Name) >= 0 {
		return ErrConflict("The backend set already has a backend '%s'", backend.Name)
	}
	b.Backends = append(slices.Clone(b.Backends), backend)
	return nil
}

func (b *LbBackendSet) place(name string) int {
	return slices.IndexFunc(b.Backends, func(backend LbBackend) bool { return backend.Name == name })
}
