// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"maps"
	"slices"
)

// LimitService is a service with limits.
type LimitService struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// LimitValue is one limit as ListLimitValues gives it.
type LimitValue struct {
	Name               string `json:"name"`
	ScopeType          string `json:"scopeType"`
	AvailabilityDomain string `json:"availabilityDomain,omitempty"`
	Value              int64  `json:"value"`
}

// Availability is GetResourceAvailability's answer.
type Availability struct {
	Used                int64    `json:"used"`
	Available           int64    `json:"available"`
	EffectiveQuotaValue *float64 `json:"effectiveQuotaValue,omitempty"`
}

// ListLimitServices lists the services with limits. The limits service takes the tenancy's OCID for
// a compartment (oci-go-sdk limits/list_services_request_response.go).
func (s *State) ListLimitServices(query ListQuery) ([]LimitService, string, error) {
	if err := s.rootOnly(query.CompartmentID); err != nil {
		return nil, "", err
	}
	services := []LimitService{
		{"block-storage", "Block Volume"}, {"compute", "Compute"},
		{"network-load-balancer-api", "Network Load Balancer"}, {"vcn", "Virtual Cloud Network"},
	}
	return paginate(s, services, query, func(service LimitService) string { return service.Name })
}

func (s *State) rootOnly(compartment string) error {
	if compartment == "" {
		return ErrMissing("compartmentId")
	}
	if compartment != s.config.OCID {
		return ErrNotFound()
	}
	return nil
}

// LimitQuery filters ListLimitValues.
type LimitQuery struct {
	ListQuery
	Service            string
	Name               string
	ScopeType          string
	AvailabilityDomain string
}

// ListLimitValues lists a service's limits, those of an availability domain once for each.
func (s *State) ListLimitValues(query LimitQuery) ([]LimitValue, string, error) {
	if err := s.rootOnly(query.CompartmentID); err != nil {
		return nil, "", err
	}
	if query.Service == "" {
		return nil, "", ErrMissing("serviceName")
	}
	if !slices.Contains([]string{"", "GLOBAL", "REGION", "AD"}, query.ScopeType) {
		return nil, "", ErrInvalid("Invalid scopeType: %s", query.ScopeType)
	}
	values := []LimitValue{}
	for _, name := range slices.Sorted(maps.Keys(s.limits)) {
		if limitService(name) != query.Service || (query.Name != "" && query.Name != name) {
			continue
		}
		for _, value := range s.limitValues(name) {
			if (query.ScopeType == "" || query.ScopeType == value.ScopeType) &&
				(query.AvailabilityDomain == "" || query.AvailabilityDomain == value.AvailabilityDomain) {
				values = append(values, value)
			}
		}
	}
	return paginate(s, values, query.ListQuery, func(v LimitValue) string { return v.Name + v.AvailabilityDomain })
}

func (s *State) limitValues(name string) []LimitValue {
	if !perDomain(name) {
		return []LimitValue{{Name: name, ScopeType: "REGION", Value: s.limits[name]}}
	}
	var values []LimitValue
	for _, ad := range s.config.AvailabilityDomains() {
		values = append(values, LimitValue{Name: name, ScopeType: "AD", AvailabilityDomain: ad, Value: s.limits[name]})
	}
	return values
}

// GetAvailability returns what a compartment uses of a limit, and what is left to it, its quota
// included; what compartments below the root use counts for the root, too. A limit by availability
// domain requires the domain (oci-go-sdk limits/resource_availability.go,
// limits/get_resource_availability_request_response.go).
func (s *State) GetAvailability(caller *User, service, name, compartment, ad string) (Availability, error) {
	if compartment == "" {
		return Availability{}, ErrMissing("compartmentId")
	}
	if err := s.readable(caller, compartment); err != nil {
		return Availability{}, err
	}
	limit, ok := s.limits[name]
	if !ok || limitService(name) != service {
		return Availability{}, ErrNotFound()
	}
	if perDomain(name) {
		if ad == "" {
			return Availability{}, ErrMissing("availabilityDomain")
		}
		if !s.hasAD(ad) {
			return Availability{}, ErrNotFound()
		}
	} else if ad != "" {
		return Availability{}, ErrInvalid("Limit %s is not scoped to an availability domain", name)
	}
	within := compartment
	if within == s.config.OCID {
		within = ""
	}
	result := Availability{Used: s.usage(name, ad, within), Available: max(0, limit-s.usage(name, ad, ""))}
	if quota, ok := s.quotas[compartment][name]; ok {
		result.Available = max(0, min(result.Available, quota-result.Used))
		value := float64(quota)
		result.EffectiveQuotaValue = &value
	}
	return result, nil
}
