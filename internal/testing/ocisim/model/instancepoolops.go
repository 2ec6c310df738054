// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The tags OCI puts on a pool's instances, beside those of its configuration. They are not in the
// API's reference, but in its answers and an instance's metadata (micronaut-oracle-cloud,
// OracleCloudMetadataResolver's tests).
const (
	poolTag          = "oci:compute:instancepool"
	configurationTag = "oci:compute:instanceconfiguration"
	retryTokenTag    = "oci:compute:instancepool:opcretrytoken"
)

// States of a pool, and of an instance in its relation to the pool (oci-go-sdk
// core/instance_pool.go, core/instance_pool_instance.go).
const stateScaling = "SCALING"

// PoolInstance is an instance as a member of a pool: lifecycleState is the membership's, state the
// instance's.
type PoolInstance struct {
	ID                      string    `json:"id"`
	InstancePoolID          string    `json:"instancePoolId"`
	AvailabilityDomain      string    `json:"availabilityDomain"`
	FaultDomain             string    `json:"faultDomain"`
	CompartmentID           string    `json:"compartmentId"`
	InstanceConfigurationID string    `json:"instanceConfigurationId"`
	Region                  string    `json:"region"`
	Shape                   string    `json:"shape"`
	State                   string    `json:"state"`
	LifecycleState          string    `json:"lifecycleState"`
	DisplayName             string    `json:"displayName"`
	TimeCreated             time.Time `json:"timeCreated"`
	LoadBalancerBackends    []any     `json:"loadBalancerBackends"`

	etag string
}

// OCID names the instance, and Etag its version.
func (p *PoolInstance) OCID() string { return p.ID }

// Etag is the instance's version.
func (p *PoolInstance) Etag() string { return p.etag }

func memberOf(instance *Instance) *PoolInstance {
	state := StateActive
	if instance.detaching {
		state = StateDetaching
	}
	return &PoolInstance{
		ID: instance.ID, InstancePoolID: instance.pool, AvailabilityDomain: instance.AvailabilityDomain, FaultDomain: instance.FaultDomain,
		CompartmentID: instance.CompartmentID, InstanceConfigurationID: instance.configuration, Region: instance.Region,
		Shape: instance.Shape, State: capitalized(instance.LifecycleState), LifecycleState: state, DisplayName: instance.DisplayName,
		TimeCreated: instance.TimeCreated, LoadBalancerBackends: []any{}, etag: instance.Etag(),
	}
}

// capitalized is an instance's state as a pool's list has it: Running.
func capitalized(state string) string { return state[:1] + strings.ToLower(state[1:]) }

// members are the pool's instances but TERMINATED ones, in order of creation.
func (s *State) members(pool *InstancePool) []*Instance {
	return alive(s, func(i *Instance) bool { return i.pool == pool.ID })
}

// counted are the members counting for the pool's size: those not on their way out.
func (s *State) counted(pool *InstancePool) []*Instance {
	return slices.DeleteFunc(s.members(pool), func(i *Instance) bool { return i.detaching || i.LifecycleState == StateTerminating })
}

func (s *State) count(pool *InstancePool) {
	pool.CurrentSize = len(slices.DeleteFunc(s.counted(pool), func(i *Instance) bool { return i.LifecycleState != StateRunning }))
}

// ListPoolInstances lists a pool's members.
func (s *State) ListPoolInstances(caller *User, id string, query ListQuery) ([]*PoolInstance, string, error) {
	pool, err := s.GetPool(caller, id)
	if err != nil {
		return nil, "", err
	}
	items, next, err := list(s, caller, query, func(i *Instance) bool { return i.pool == pool.ID && i.Alive() })
	members := make([]*PoolInstance, 0, len(items))
	for _, item := range items {
		members = append(members, memberOf(item))
	}
	return members, next, err
}

// GetPoolInstance describes one member.
func (s *State) GetPoolInstance(caller *User, id, instanceID string) (*PoolInstance, error) {
	instance, err := getAlive[*Instance](s, caller, instanceID)
	if err != nil {
		return nil, err
	}
	if instance.pool != id {
		return nil, ErrNotFound()
	}
	return memberOf(instance), nil
}

// DetachFromPool takes an instance out of its pool. Data volumes stay: DetachInstancePoolInstance
// promises the end of the instance and its boot volume only.
func (s *State) DetachFromPool(caller *User, id string, details DetachDetails) (*WorkRequest, error) {
	pool, err := s.changeable(caller, id, "")
	if err != nil {
		return nil, err
	}
	instance, err := getAlive[*Instance](s, caller, details.InstanceID)
	if err != nil {
		return nil, err
	}
	if instance.pool != id {
		return nil, ErrNotFound()
	}
	if err := s.checkIdle(pool); err != nil {
		return nil, err
	}
	if instance.detaching || instance.LifecycleState == StateTerminating {
		return nil, ErrIncorrectState("The instance %s is in the state %s", instance.ID, memberOf(instance).LifecycleState)
	}
	if details.IsDecrementSize == nil || *details.IsDecrementSize {
		pool.Size--
	}
	instance.detaching = true
	work := s.newWorkRequest("DetachInstancePoolInstance", pool.CompartmentID, "instancePool", pool.ID, "UPDATED")
	if isTrue(details.IsAutoTerminate) {
		s.terminate(instance, work, false, true)
	} else {
		s.after(s.world.delays.Stop, func() {
			instance.pool, instance.detaching = "", false
			work.succeed(s)
		})
	}
	s.look(pool)
	return work, nil
}

// TerminatePool ends a pool and everything made by it: instances, boot volumes and block volumes
// (oci-go-sdk, ComputeManagementClient.TerminateInstancePool).
func (s *State) TerminatePool(caller *User, id, ifMatch string) error {
	pool, err := s.changeable(caller, id, ifMatch)
	if err != nil {
		return err
	}
	pool.setState(StateTerminating)
	for _, instance := range s.members(pool) {
		if instance.LifecycleState != StateTerminating {
			s.terminate(instance, nil, false, false)
		}
	}
	s.look(pool)
	return nil
}

// look has the pool compare its instances with its size, after a while.
func (s *State) look(pool *InstancePool) { s.lookAfter(pool, s.world.delays.Start) }

func (s *State) lookAfter(pool *InstancePool, delay time.Duration) {
	if pool.due {
		return
	}
	pool.due = true
	if pool.LifecycleState == StateRunning {
		pool.setState(stateScaling)
	}
	s.after(delay, func() {
		pool.due = false
		s.converge(pool)
	})
}

// leaves is called for each instance ending or failing to start: its pool replaces it.
func (s *State) leaves(instance *Instance) {
	if pool, ok := s.items[instance.pool].(*InstancePool); ok && pool.Alive() {
		s.look(pool)
	}
}

func (s *State) converge(pool *InstancePool) {
	switch {
	case !pool.Alive():
		return
	case pool.LifecycleState == StateTerminating:
		if len(s.members(pool)) > 0 {
			s.look(pool)
			return
		}
		s.end(pool, StateTerminated)
		return
	}
	counted := s.counted(pool)
	// The oldest go first, so no client may rely on a choice of its own.
	for ; len(counted) > pool.Size; counted = counted[1:] {
		s.terminate(counted[0], nil, false, false)
	}
	short := false
	if pool.Size > len(counted) && pool.launching == nil {
		pool.launching = s.newWorkRequest("LaunchInstancesInPool", pool.CompartmentID, "instancePool", pool.ID, "UPDATED")
	}
	for range pool.Size - len(counted) {
		if !s.launchMember(pool) {
			short = true
			break
		}
	}
	settled := !short && !slices.ContainsFunc(s.counted(pool), func(i *Instance) bool {
		return i.LifecycleState == StateProvisioning || i.LifecycleState == StateStarting
	})
	if settled && len(s.counted(pool)) == pool.Size {
		pool.launching.succeed(s)
		pool.launching = nil
		pool.setState(StateRunning)
		return
	}
	// It stays PROVISIONING or SCALING, and tries again.
	if pool.LifecycleState != StateProvisioning {
		pool.setState(stateScaling)
	}
	if short {
		// Later, lest a pool without room keeps the simulator busy.
		s.lookAfter(pool, 5*s.world.delays.Start)
		return
	}
	s.look(pool)
}

// launchMember launches one instance, at the next place with room; a refusal is only seen in the
// work request, which goes on.
func (s *State) launchMember(pool *InstancePool) bool {
	configuration, ok := s.items[pool.InstanceConfigurationID].(*InstanceConfiguration)
	if !ok || configuration.InstanceDetails.LaunchDetails == nil {
		return false
	}
	var refusal error
	for range pool.PlacementConfigurations {
		placement := pool.PlacementConfigurations[pool.next%len(pool.PlacementConfigurations)]
		pool.next++
		details := configuration.launch(pool, placement, s.domainOf(pool, placement))
		var instance *Instance
		if refusal = CheckTags(details.FreeformTags); refusal == nil {
			instance, _, refusal = s.LaunchInstance(pool.owner, details, nil)
		}
		if refusal == nil {
			s.join(pool, configuration, instance)
			return true
		}
	}
	if failure, ok := refusal.(*Error); ok { //nolint:errorlint // The model never wraps its errors.
		pool.launching.report(s, asPoolFailure(failure))
	}
	return false
}

// asPoolFailure is a launch's refusal as the work request of a pool has it, with codes of its own
// (OCI documentation, "Using Instance Configurations and Instance Pools", limitations). That the
// code of the launch is in the message is how kubernetes/autoscaler finds it
// (oci_instance_pool_cache.go, firstUnrecoverableErrorForWorkRequest).
func asPoolFailure(refusal *Error) *Error {
	code := "PostLaunchFailure"
	switch {
	case refusal.Message == ErrOutOfCapacity().Message:
		code = "OutOfCapacity"
	case refusal.Code == "LimitExceeded", refusal.Code == "QuotaExceeded":
		code = "ServiceLimit"
	case refusal.Status == http.StatusBadRequest:
		code = "InvalidParameter"
	}
	return &Error{Code: code, Message: refusal.Code + ": " + refusal.Message}
}

// domainOf is the placement's fault domain with the fewest members, or an empty one for a free
// choice. No other stands in for a named one without room (OCI documentation, "Using Instance
// Configurations and Instance Pools", "Distributing Instances Across Fault Domains").
func (s *State) domainOf(pool *InstancePool, placement Placement) string {
	if placement.spread {
		return ""
	}
	in := map[string]int{}
	for _, instance := range s.counted(pool) {
		if instance.AvailabilityDomain == placement.AvailabilityDomain {
			in[instance.FaultDomain]++
		}
	}
	return slices.MinFunc(placement.FaultDomains, func(a, b string) int { return in[a] - in[b] })
}

func (s *State) join(pool *InstancePool, configuration *InstanceConfiguration, instance *Instance) {
	instance.pool, instance.configuration = pool.ID, configuration.ID
	volumes := configuration.InstanceDetails.BlockVolumes
	attachments := alive(s, func(a *VolumeAttachment) bool { return a.InstanceID == instance.ID })
	for i, attachment := range attachments {
		if volume, ok := s.items[attachment.VolumeID].(*Volume); ok && i < len(volumes) && volumes[i].CreateDetails != nil {
			volume.setTags(Tags{
				FreeformTags: configuration.propagated(pool, volumes[i].CreateDetails.FreeformTags), DefinedTags: volumes[i].CreateDetails.DefinedTags,
			})
		}
	}
	instance.bootVolume.setTags(Tags{FreeformTags: configuration.propagated(pool, nil)})
}

// propagated are the freeform tags of what a pool makes: the configuration's come before the
// pool's, and the pool's before those in the request (OCI documentation, "Using Instance
// Configurations and Instance Pools", "Propagation of Tagging on Resources").
func (c *InstanceConfiguration) propagated(pool *InstancePool, requested map[string]string) map[string]string {
	tags := map[string]string{}
	for _, from := range []map[string]string{requested, pool.FreeformTags, c.FreeformTags} {
		maps.Copy(tags, from)
	}
	return tags
}

// launch is the equivalent request to LaunchInstance. Names are the pool's choice: inst-, five
// random characters, the pool's name. The placement overrides the configuration (Oracle, "Working
// with Instance Pools").
func (c *InstanceConfiguration) launch(pool *InstancePool, placement Placement, faultDomain string) LaunchDetails {
	launch := c.InstanceDetails.LaunchDetails
	vnic := CreateVnicDetails{}
	if launch.CreateVnicDetails != nil {
		vnic = *launch.CreateVnicDetails
	}
	vnic.SubnetID, vnic.DisplayName = placement.subnet(), ""
	vnic.FreeformTags = c.propagated(pool, vnic.FreeformTags)
	details := LaunchDetails{
		AvailabilityDomain: placement.AvailabilityDomain, CompartmentID: pool.CompartmentID, FaultDomain: faultDomain,
		DisplayName: "inst-" + randomText(4)[:5] + "-" + strings.ReplaceAll(pool.DisplayName, " ", "-"),
		Shape:       launch.Shape, ShapeConfig: launch.ShapeConfig, SourceDetails: launch.SourceDetails, CreateVnicDetails: &vnic,
		Metadata: launch.Metadata, ExtendedMetadata: launch.ExtendedMetadata, LaunchOptions: launch.LaunchOptions,
		InstanceOptions: launch.InstanceOptions, AvailabilityConfig: launch.AvailabilityConfig, AgentConfig: launch.AgentConfig,
		PreemptibleInstanceConfig: launch.PreemptibleInstanceConfig, PlatformConfig: launch.PlatformConfig,
		IsPvEncryptionInTransitEnabled: launch.IsPvEncryptionInTransitEnabled,
	}
	details.DefinedTags = launch.DefinedTags
	details.FreeformTags = c.propagated(pool, launch.FreeformTags)
	details.FreeformTags[poolTag], details.FreeformTags[configurationTag] = pool.ID, c.ID
	details.FreeformTags[retryTokenTag] = randomText(16)
	for _, volume := range c.InstanceDetails.BlockVolumes {
		attach := volume.AttachDetails
		wanted := LaunchAttachment{
			Type: attach.Type, Device: attach.Device, DisplayName: attach.DisplayName, IsReadOnly: attach.IsReadOnly,
			IsShareable: attach.IsShareable, VolumeID: volume.VolumeID, IsPvEncryptionInTransitEnabled: attach.IsPvEncryptionInTransitEnabled,
		}
		if create := volume.CreateDetails; create != nil {
			wanted.CreateVolume = &LaunchCreateVolume{
				VolumeCreationType: "ATTRIBUTES", SizeInGBs: create.SizeInGBs, VpusPerGB: create.VpusPerGB,
				CompartmentID: create.CompartmentID, DisplayName: create.DisplayName, KmsKeyID: create.KmsKeyID,
			}
		}
		details.LaunchVolumeAttachments = append(details.LaunchVolumeAttachments, wanted)
	}
	return details
}
