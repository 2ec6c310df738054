// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"reflect"
	"slices"
	"time"
)

// Tags are a caller's free-form and defined tags of a resource.
type Tags struct {
	FreeformTags map[string]string         `json:"freeformTags"`
	DefinedTags  map[string]map[string]any `json:"definedTags"`
}

// CheckTags refuses more freeform tags, or longer ones, than a resource can have (OCI
// documentation, "Tagging Overview", limits on tags). The code is assumed.
func CheckTags(tags map[string]string) error {
	if len(tags) > 10 {
		return ErrInvalid("freeformTags has %d tags, and a resource can have 10", len(tags))
	}
	for key, value := range tags {
		if key == "" || len(key) > 100 || len(value) > 256 {
			return ErrInvalid("freeformTags has a key that is empty or longer than 100 characters, or a value longer than 256")
		}
	}
	return nil
}

// Meta has the fields common to all simulated resources.
type Meta struct {
	ID             string                    `json:"id"`
	CompartmentID  string                    `json:"compartmentId,omitempty"`
	DisplayName    string                    `json:"displayName,omitempty"`
	LifecycleState string                    `json:"lifecycleState,omitempty"`
	TimeCreated    time.Time                 `json:"timeCreated"`
	FreeformTags   map[string]string         `json:"freeformTags"`
	DefinedTags    map[string]map[string]any `json:"definedTags"`

	kind     string
	revision int
	sequence int
}

func (m *Meta) meta() *Meta { return m }

// Etag changes whenever the resource does.
func (m *Meta) Etag() string { return fmt.Sprintf("%s-%d", m.ID[len(m.ID)-12:], m.revision) }

// OCID is the identifier, for callers holding any kind of resource.
func (m *Meta) OCID() string { return m.ID }

// Alive tells whether the resource exists: it does until it is TERMINATED,
// DETACHED or DELETED.
func (m *Meta) Alive() bool {
	switch m.LifecycleState {
	case StateTerminated, StateDetached, StateDeleted:
		return false
	}
	return true
}

func (m *Meta) setState(state string) {
	m.LifecycleState = state
	m.revision++
}

func (m *Meta) setTags(tags Tags) {
	if tags.FreeformTags != nil {
		m.FreeformTags = tags.FreeformTags
	}
	if tags.DefinedTags != nil {
		m.DefinedTags = tags.DefinedTags
	}
}

// Life-cycle states as oci-go-sdk's core and networkloadbalancer packages list them.
const (
	StateProvisioning = "PROVISIONING"
	StateStarting     = "STARTING"
	StateRunning      = "RUNNING"
	StateStopping     = "STOPPING"
	StateStopped      = "STOPPED"
	StateTerminating  = "TERMINATING"
	StateTerminated   = "TERMINATED"
	StateAvailable    = "AVAILABLE"
	StateAttaching    = "ATTACHING"
	StateAttached     = "ATTACHED"
	StateDetaching    = "DETACHING"
	StateDetached     = "DETACHED"
	StateCreating     = "CREATING"
	StateUpdating     = "UPDATING"
	StateActive       = "ACTIVE"
	StateDeleting     = "DELETING"
	StateDeleted      = "DELETED"
	StateFailed       = "FAILED"
	StateAssigned     = "ASSIGNED"
)

type resource interface {
	comparable
	meta() *Meta
}

type stored interface{ meta() *Meta }

// deadVolumes is how long TERMINATED volumes stay listed: for weeks (lists of the real service in
// the cassettes of oracle/oci-cli, services/core/tests).
const deadVolumes = 30 * 24 * time.Hour

// newMeta dates and names a resource; kind is the OCID's second part.
func (s *State) newMeta(kind, compartment, name string, tags Tags) Meta {
	s.sequence++
	now := s.world.clock.Now()
	if name == "" {
		name = fmt.Sprintf("%s%s", kind, now.UTC().Format("20060102150405"))
	}
	meta := Meta{
		ID: NewOCID(kind, s.config.Region), CompartmentID: compartment, DisplayName: name,
		LifecycleState: StateProvisioning, TimeCreated: now.UTC().Truncate(time.Millisecond),
		FreeformTags: map[string]string{}, DefinedTags: map[string]map[string]any{},
		kind: kind, sequence: s.sequence,
	}
	meta.setTags(tags)
	return meta
}

func put[T resource](s *State, item T) {
	s.items[item.meta().ID] = item
	kind := reflect.TypeFor[T]()
	s.kinds[kind] = append(s.kinds[kind], item)
}

// all returns the resources of one type in order of creation, including TERMINATED ones still kept.
func all[T resource](s *State) []T {
	kept := s.kinds[reflect.TypeFor[T]()]
	items := make([]T, 0, len(kept))
	for _, item := range kept {
		items = append(items, item.(T))
	}
	return items
}

// alive returns the existing resources of one type accepted by keep.
func alive[T resource](s *State, keep func(T) bool) []T {
	var items []T
	for _, item := range s.kinds[reflect.TypeFor[T]()] {
		if typed := item.(T); item.meta().Alive() && keep(typed) {
			items = append(items, typed)
		}
	}
	return items
}

// get returns a resource by OCID, also a TERMINATED one still kept.
func get[T resource](s *State, caller *User, id string) (T, error) {
	var none T
	item, ok := s.items[id].(T)
	if !ok || !caller.may(item.meta().CompartmentID) {
		return none, ErrNotFound()
	}
	return item, nil
}

// getAlive is get for changing or using the resource.
func getAlive[T resource](s *State, caller *User, id string) (T, error) {
	item, err := get[T](s, caller, id)
	if err == nil && !item.meta().Alive() {
		var none T
		return none, ErrNotFound()
	}
	return item, err
}

// checkMatch compares an if-match header, when there is one.
func checkMatch(item stored, ifMatch string) error {
	if ifMatch != "" && ifMatch != "*" && ifMatch != item.meta().Etag() {
		return ErrNoEtagMatch()
	}
	return nil
}

// forget drops a resource after its retention time.
func (s *State) forget(item stored) {
	delete(s.items, item.meta().ID)
	kind := reflect.TypeOf(item)
	s.kinds[kind] = slices.DeleteFunc(s.kinds[kind], func(other stored) bool { return other == item })
}

// settle moves a resource to a state after a delay, if it is still in from.
func (s *State) settle(item stored, delay time.Duration, from, to string) {
	s.after(delay, func() {
		if meta := item.meta(); meta.LifecycleState == from {
			meta.setState(to)
		}
	})
}

// remove takes a resource through TERMINATING to TERMINATED and, after the
// retention time, out of every list.
func (s *State) remove(item stored, delay time.Duration, leaving, gone string) {
	item.meta().setState(leaving)
	s.after(delay, func() { s.end(item, gone) })
}

// end sets the final state and starts the retention time.
func (s *State) end(item stored, gone string) {
	item.meta().setState(gone)
	retention := s.world.delays.Retention
	if kind := item.meta().kind; kind == "volume" || kind == "bootvolume" {
		retention = max(retention, deadVolumes)
	}
	s.after(retention, func() { s.forget(item) })
}
