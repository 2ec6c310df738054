// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import "time"

// RegionSubscription is a region used by the tenancy.
type RegionSubscription struct {
	RegionKey    string `json:"regionKey"`
	RegionName   string `json:"regionName"`
	Status       string `json:"status"`
	IsHomeRegion bool   `json:"isHomeRegion"`
}

// TenancyInfo is OCI's Tenancy object.
type TenancyInfo struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	Description   string `json:"description"`
	HomeRegionKey string `json:"homeRegionKey"`
	Tags
}

// CompartmentInfo is OCI's Compartment object.
type CompartmentInfo struct {
	ID             string    `json:"id"`
	CompartmentID  string    `json:"compartmentId"`
	Name           string    `json:"name"`
	Description    string    `json:"description"`
	TimeCreated    time.Time `json:"timeCreated"`
	LifecycleState string    `json:"lifecycleState"`
	Tags
}

// Domain is an availability domain, or a fault domain within one.
type Domain struct {
	ID                 string `json:"id"`
	Name               string `json:"name"`
	CompartmentID      string `json:"compartmentId"`
	AvailabilityDomain string `json:"availabilityDomain,omitempty"`
}

func (s *State) hasCompartment(id string) bool {
	if id == s.config.OCID {
		return true
	}
	for _, compartment := range s.config.Compartments {
		if compartment.OCID == id {
			return true
		}
	}
	return false
}

// checkCompartment answers 404 for a compartment outside of the tenancy or without permission for
// the caller.
func (s *State) checkCompartment(caller *User, id string) error {
	if !s.hasCompartment(id) || !caller.may(id) {
		return ErrNotFound()
	}
	return nil
}

// readable is checkCompartment for resources every user of a tenancy may inspect in the root
// compartment too: domains, shapes, images, limits.
func (s *State) readable(caller *User, id string) error {
	if id == s.config.OCID {
		return nil
	}
	return s.checkCompartment(caller, id)
}

// Subscriptions lists the tenancy's one region.
func (s *State) Subscriptions(tenancy string) ([]RegionSubscription, error) {
	if tenancy != s.config.OCID {
		return nil, ErrNotFound()
	}
	key, _ := regionKey(s.config.Region)
	return []RegionSubscription{{RegionKey: key, RegionName: s.config.Region, Status: "READY", IsHomeRegion: true}}, nil
}

// GetTenancy describes the caller's tenancy.
func (s *State) GetTenancy(tenancy string) (TenancyInfo, error) {
	if tenancy != s.config.OCID {
		return TenancyInfo{}, ErrNotFound()
	}
	key, _ := regionKey(s.config.Region)
	return TenancyInfo{ID: s.config.OCID, Name: s.name, Description: s.name, HomeRegionKey: key, Tags: noTags()}, nil
}

func noTags() Tags {
	return Tags{FreeformTags: map[string]string{}, DefinedTags: map[string]map[string]any{}}
}

// GetCompartment describes a compartment; the tenancy is the root one.
func (s *State) GetCompartment(caller *User, id string) (CompartmentInfo, error) {
	if err := s.checkCompartment(caller, id); err != nil {
		return CompartmentInfo{}, err
	}
	for _, compartment := range s.config.Compartments {
		if compartment.OCID == id {
			return s.compartmentInfo(compartment), nil
		}
	}
	return s.compartmentInfo(Compartment{Name: s.name, OCID: s.config.OCID}), nil
}

// ListCompartments lists the caller's compartments below the root.
func (s *State) ListCompartments(caller *User, query ListQuery, name string) ([]CompartmentInfo, string, error) {
	if query.CompartmentID == "" {
		return nil, "", ErrMissing("compartmentId")
	}
	if err := s.readable(caller, query.CompartmentID); err != nil {
		return nil, "", err
	}
	infos := []CompartmentInfo{}
	for _, compartment := range s.config.Compartments {
		if query.CompartmentID == s.config.OCID && caller.may(compartment.OCID) && (name == "" || name == compartment.Name) {
			infos = append(infos, s.compartmentInfo(compartment))
		}
	}
	return paginate(s, infos, query, func(info CompartmentInfo) string { return info.ID })
}

func (s *State) compartmentInfo(compartment Compartment) CompartmentInfo {
	return CompartmentInfo{
		ID: compartment.OCID, CompartmentID: s.config.OCID, Name: compartment.Name, Description: compartment.Name,
		TimeCreated: s.createTime, LifecycleState: "ACTIVE", Tags: noTags(),
	}
}

// ListAvailabilityDomains lists the region's availability domains.
func (s *State) ListAvailabilityDomains(caller *User, compartment string) ([]Domain, error) {
	if compartment == "" {
		return nil, ErrMissing("compartmentId")
	}
	if err := s.readable(caller, compartment); err != nil {
		return nil, err
	}
	var domains []Domain
	for _, name := range s.config.AvailabilityDomains() {
		domains = append(domains, Domain{ID: "ocid1.availabilitydomain.oc1.." + name, Name: name, CompartmentID: compartment})
	}
	return domains, nil
}

// ListFaultDomains lists the fault domains of an availability domain.
func (s *State) ListFaultDomains(caller *User, compartment, availabilityDomain string) ([]Domain, error) {
	if compartment == "" {
		return nil, ErrMissing("compartmentId")
	}
	if availabilityDomain == "" {
		return nil, ErrMissing("availabilityDomain")
	}
	if err := s.readable(caller, compartment); err != nil {
		return nil, err
	}
	if !s.hasAD(availabilityDomain) {
		return nil, ErrNotFound()
	}
	var domains []Domain
	for _, name := range s.config.FaultDomains() {
		domains = append(domains, Domain{ID: "ocid1.faultdomain.oc1.." + availabilityDomain + "." + name, Name: name,
			CompartmentID: compartment, AvailabilityDomain: availabilityDomain})
	}
	return domains, nil
}

func (s *State) hasAD(name string) bool {
	for _, domain := range s.config.AvailabilityDomains() {
		if domain == name {
			return true
		}
	}
	return false
}
