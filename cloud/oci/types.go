// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"maps"
	"net/netip"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"
)

// LifecycleState is a resource's lifecycle state, in OCI's words.
type LifecycleState string

// The states of this package's resources; a resource has some of them. Source: the lifecycleState
// of Instance, Vcn, Volume, Image and VnicAttachment in OCI's Core Services API.
const (
	StateProvisioning  LifecycleState = "PROVISIONING"
	StateAvailable     LifecycleState = "AVAILABLE"
	StateUpdating      LifecycleState = "UPDATING"
	StateStarting      LifecycleState = "STARTING"
	StateRunning       LifecycleState = "RUNNING"
	StateStopping      LifecycleState = "STOPPING"
	StateStopped       LifecycleState = "STOPPED"
	StateMoving        LifecycleState = "MOVING"
	StateCreatingImage LifecycleState = "CREATING_IMAGE"
	StateFaulty        LifecycleState = "FAULTY"
	StateTerminating   LifecycleState = "TERMINATING"
	StateTerminated    LifecycleState = "TERMINATED"
	StateAttaching     LifecycleState = "ATTACHING"
	StateAttached      LifecycleState = "ATTACHED"
	StateDetaching     LifecycleState = "DETACHING"
	StateDetached      LifecycleState = "DETACHED"
)

// IsEnding tells whether the resource is on its way out, or gone.
func (s LifecycleState) IsEnding() bool { return s == StateTerminating || s == StateTerminated }

// Resource has the fields common to all resources.
type Resource struct {
	// ID is the OCID.
	ID string
	// DisplayName is not unique.
	DisplayName string
	// State is the lifecycle state.
	State LifecycleState
	// Tags are the free-form tags.
	Tags map[string]string
}

// HasTags tells whether the resource has all of the tags.
func (r Resource) HasTags(tags map[string]string) bool {
	for key, value := range tags {
		if got, ok := r.Tags[key]; !ok || got != value {
			return false
		}
	}
	return true
}

// ListFilter narrows a list of network resources. TERMINATED ones are never listed.
type ListFilter struct {
	// VCNID keeps the resources of one VCN; empty means all of the compartment.
	VCNID string
	// Tags keeps the resources with all of these free-form tags.
	Tags map[string]string
}

func (f ListFilter) keeps(r Resource) bool {
	return r.State != StateTerminated && r.HasTags(f.Tags)
}

// resource takes over the common part of an SDK model.
func resource[State ~string](id, name *string, state State, tags map[string]string) Resource {
	return Resource{ID: value(id), DisplayName: value(name), State: LifecycleState(state), Tags: maps.Clone(tags)}
}

// value is *p, or the zero value if p is nil.
func value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// optional is nil for the zero value: the field is not sent.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// prefix is the zero Prefix if the text is none.
func prefix(text string) netip.Prefix {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

func prefixes(texts []string) []netip.Prefix {
	out := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		out = append(out, prefix(text))
	}
	return out
}

// address is the zero Addr if there is none.
func address(text *string) netip.Addr {
	a, err := netip.ParseAddr(value(text))
	if err != nil {
		return netip.Addr{}
	}
	return a
}

func timestamp(t *common.SDKTime) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.Time
}
