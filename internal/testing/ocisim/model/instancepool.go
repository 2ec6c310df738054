// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import "slices"

// InstancePool keeps a number of instances of one template.
type InstancePool struct {
	Meta
	InstanceConfigurationID      string      `json:"instanceConfigurationId"`
	PlacementConfigurations      []Placement `json:"placementConfigurations"`
	Size                         int         `json:"size"`
	CurrentSize                  int         `json:"currentSize"`
	LoadBalancers                []any       `json:"loadBalancers"`
	InstanceDisplayNameFormatter string      `json:"instanceDisplayNameFormatter,omitempty"`
	InstanceHostnameFormatter    string      `json:"instanceHostnameFormatter,omitempty"`

	// owner is the user of the pool's launches; due is set when a check of the pool is scheduled.
	owner *User
	due   bool
	next  int
	// launching is the work request of the launches under way.
	launching *WorkRequest
}

// Placement is where a pool may launch.
type Placement struct {
	AvailabilityDomain   string         `json:"availabilityDomain" oci:"required"`
	FaultDomains         []string       `json:"faultDomains"`
	PrimarySubnetID      string         `json:"primarySubnetId,omitempty"`
	PrimaryVnicSubnets   *PrimarySubnet `json:"primaryVnicSubnets,omitempty"`
	SecondaryVnicSubnets []any          `json:"secondaryVnicSubnets,omitempty"`
	ComputeClusterID     string         `json:"computeClusterId,omitempty"`

	// spread is set if the caller names no fault domains.
	spread bool
}

// PrimarySubnet is the subnet of the primary VNIC.
type PrimarySubnet struct {
	SubnetID     string `json:"subnetId" oci:"required"`
	IsAssignIpv6 *bool  `json:"isAssignIpv6Ip,omitempty"`
	Ipv6Pairs    []any  `json:"ipv6AddressIpv6SubnetCidrPairDetails,omitempty"`
}

func (p Placement) subnet() string {
	if p.PrimaryVnicSubnets != nil {
		return p.PrimaryVnicSubnets.SubnetID
	}
	return p.PrimarySubnetID
}

// CreatePoolDetails is the body of CreateInstancePool.
type CreatePoolDetails struct {
	CompartmentID                string      `json:"compartmentId" oci:"required"`
	InstanceConfigurationID      string      `json:"instanceConfigurationId" oci:"required"`
	PlacementConfigurations      []Placement `json:"placementConfigurations" oci:"required"`
	Size                         *int        `json:"size" oci:"required"`
	DisplayName                  string      `json:"displayName"`
	InstanceDisplayNameFormatter string      `json:"instanceDisplayNameFormatter"`
	InstanceHostnameFormatter    string      `json:"instanceHostnameFormatter"`
	Tags
}

// UpdatePoolDetails is the body of UpdateInstancePool. It applies to new instances only.
type UpdatePoolDetails struct {
	DisplayName                  *string     `json:"displayName"`
	InstanceConfigurationID      *string     `json:"instanceConfigurationId"`
	PlacementConfigurations      []Placement `json:"placementConfigurations"`
	Size                         *int        `json:"size"`
	InstanceDisplayNameFormatter *string     `json:"instanceDisplayNameFormatter"`
	InstanceHostnameFormatter    *string     `json:"instanceHostnameFormatter"`
	Tags
}

// DetachDetails is the body of DetachInstancePoolInstance; isDecrementSize is true and
// isAutoTerminate false when they are absent (oci-go-sdk
// core/detach_instance_pool_instance_details.go).
type DetachDetails struct {
	InstanceID      string `json:"instanceId" oci:"required"`
	IsDecrementSize *bool  `json:"isDecrementSize"`
	IsAutoTerminate *bool  `json:"isAutoTerminate"`
}

// CreatePool makes a pool; it then launches its instances one after another.
func (s *State) CreatePool(caller *User, details CreatePoolDetails) (*InstancePool, error) {
	if err := s.checkCompartment(caller, details.CompartmentID); err != nil {
		return nil, err
	}
	if err := s.checkConfiguration(caller, details.InstanceConfigurationID); err != nil {
		return nil, err
	}
	if err := s.checkPool(caller, details.PlacementConfigurations, details.Size); err != nil {
		return nil, err
	}
	s.spread(details.PlacementConfigurations)
	pool := &InstancePool{
		Meta:                    s.newMeta("instancepool", details.CompartmentID, details.DisplayName, details.Tags),
		InstanceConfigurationID: details.InstanceConfigurationID, PlacementConfigurations: details.PlacementConfigurations,
		Size: *details.Size, LoadBalancers: []any{}, InstanceDisplayNameFormatter: details.InstanceDisplayNameFormatter,
		InstanceHostnameFormatter: details.InstanceHostnameFormatter, owner: caller,
	}
	put(s, pool)
	s.look(pool)
	return pool, nil
}

// checkConfiguration refuses preemptible instances, which cannot be used in pools (OCI
// documentation, "Preemptible Instances", "Support and Limitations"). The code is not documented. A
// configuration itself takes the field (oci-go-sdk
// core/instance_configuration_launch_instance_details.go).
func (s *State) checkConfiguration(caller *User, id string) error {
	configuration, err := s.GetConfiguration(caller, id)
	if err != nil {
		return err
	}
	if launch := configuration.InstanceDetails.LaunchDetails; launch != nil && launch.PreemptibleInstanceConfig != nil {
		return ErrInvalid("Preemptible instances are not supported in instance pools")
	}
	return nil
}

// checkPool checks the fields common to creation and update. A pool may be of size 0.
func (s *State) checkPool(caller *User, placements []Placement, size *int) error {
	if size != nil && (*size < 0 || *size > 1000) {
		return ErrInvalid("size must be between 0 and 1000")
	}
	seen := map[string]bool{}
	for _, placement := range placements {
		if !s.hasAD(placement.AvailabilityDomain) {
			return ErrInvalid("availabilityDomain '%s' is not valid", placement.AvailabilityDomain)
		}
		if seen[placement.AvailabilityDomain] {
			return ErrInvalid("The availability domain '%s' has more than one placement configuration", placement.AvailabilityDomain)
		}
		seen[placement.AvailabilityDomain] = true
		for _, domain := range placement.FaultDomains {
			if !slices.Contains(s.config.FaultDomains(), domain) {
				return ErrInvalid("faultDomain '%s' is not valid", domain)
			}
		}
		if placement.PrimarySubnetID != "" && placement.PrimaryVnicSubnets != nil {
			return ErrInvalid("primarySubnetId and primaryVnicSubnets cannot both be set")
		}
		if placement.subnet() == "" {
			return ErrMissing("placementConfigurations.primaryVnicSubnets.subnetId")
		}
		if _, err := getAlive[*Subnet](s, caller, placement.subnet()); err != nil {
			return err
		}
		if placement.ComputeClusterID != "" {
			return ErrNotFound()
		}
	}
	return nil
}

// spread notes which placements name no fault domains. What OCI shows of those is not documented:
// with a seed, some are shown with all.
func (s *State) spread(placements []Placement) {
	for i := range placements {
		at := &placements[i]
		at.spread = len(at.FaultDomains) == 0
		if at.spread && s.world.variety.pick(2, "fault domains") == 1 {
			at.FaultDomains = s.config.FaultDomains()
		}
	}
}

// GetPool describes a pool.
func (s *State) GetPool(caller *User, id string) (*InstancePool, error) {
	pool, err := get[*InstancePool](s, caller, id)
	if err == nil {
		s.count(pool)
	}
	return pool, err
}

// ListPools lists a compartment's pools; the filter is none of OCI's.
func (s *State) ListPools(caller *User, query ListQuery, _ string) ([]PoolSummary, string, error) {
	items, next, err := list(s, caller, query, func(*InstancePool) bool { return true })
	summaries := make([]PoolSummary, 0, len(items))
	for _, pool := range items {
		s.count(pool)
		summary := PoolSummary{Meta: pool.Meta, InstanceConfigurationID: pool.InstanceConfigurationID, Size: pool.Size, CurrentSize: pool.CurrentSize}
		for _, placement := range pool.PlacementConfigurations {
			summary.AvailabilityDomains = append(summary.AvailabilityDomains, placement.AvailabilityDomain)
		}
		summaries = append(summaries, summary)
	}
	return summaries, next, err
}

// PoolSummary is a pool in a list (oci-go-sdk core/instance_pool_summary.go).
type PoolSummary struct {
	Meta
	InstanceConfigurationID string   `json:"instanceConfigurationId"`
	AvailabilityDomains     []string `json:"availabilityDomains"`
	Size                    int      `json:"size"`
	CurrentSize             int      `json:"currentSize"`
}

// UpdatePool changes the pool's future launches, and its number of instances.
func (s *State) UpdatePool(caller *User, id, ifMatch string, details UpdatePoolDetails) (*InstancePool, error) {
	pool, err := s.changeable(caller, id, ifMatch)
	if err != nil {
		return nil, err
	}
	// kubernetes/autoscaler lowers the size of a pool that is not RUNNING
	// (oci_instance_pool_cache.go, removeInstance).
	isSmaller := details.Size != nil && *details.Size < pool.Size && details.InstanceConfigurationID == nil && details.PlacementConfigurations == nil
	if err := s.checkIdle(pool); err != nil && !isSmaller {
		return nil, err
	}
	if details.InstanceConfigurationID != nil {
		if err := s.checkConfiguration(caller, *details.InstanceConfigurationID); err != nil {
			return nil, err
		}
	}
	if err := s.checkPool(caller, details.PlacementConfigurations, details.Size); err != nil {
		return nil, err
	}
	if details.InstanceConfigurationID != nil {
		pool.InstanceConfigurationID = *details.InstanceConfigurationID
	}
	if details.PlacementConfigurations != nil {
		s.spread(details.PlacementConfigurations)
		pool.PlacementConfigurations = details.PlacementConfigurations
	}
	if details.Size != nil {
		pool.Size = *details.Size
	}
	pool.owner = caller
	if details.DisplayName != nil {
		pool.DisplayName = *details.DisplayName
	}
	pool.setTags(details.Tags)
	pool.revision++
	s.look(pool)
	return pool, nil
}

// RefuseWhileScaling has pools that are SCALING take nothing but their end from now on.
func (s *State) RefuseWhileScaling() { s.Do(func() { s.refusesWhileScaling = true }) }

// checkIdle refuses what is asked of a pool that is SCALING: "the only action you can take is to
// terminate the instance pool" (OCI documentation, "Instance Pool Lifecycle States").
func (s *State) checkIdle(pool *InstancePool) error {
	if s.refusesWhileScaling && pool.LifecycleState == stateScaling {
		return ErrIncorrectState("The instance pool %s is in the state %s", pool.ID, pool.LifecycleState)
	}
	return nil
}

// changeable is a pool not on its way out.
func (s *State) changeable(caller *User, id, ifMatch string) (*InstancePool, error) {
	pool, err := getAlive[*InstancePool](s, caller, id)
	if err != nil {
		return nil, err
	}
	if err := checkMatch(pool, ifMatch); err != nil {
		return nil, err
	}
	if pool.LifecycleState == StateTerminating {
		return nil, ErrIncorrectState("The instance pool %s is in the state %s", id, pool.LifecycleState)
	}
	return pool, nil
}
