// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
)

// The methods of this file work behind the provider's back. Tenancies are given
// by name or OCID; an unknown one is an error.

// AddFault makes the next calls of an operation go wrong.
func (s *Sim) AddFault(fault Fault) { s.world.Faults.Add(fault) }

// ClearFaults drops the pending faults.
func (s *Sim) ClearFaults() { s.world.Faults.Clear() }

// SetSkew sets how far the simulator's clock is ahead of the client's: beyond five minutes no
// signature is valid.
func (s *Sim) SetSkew(skew time.Duration) { s.world.SetSkew(skew) }

// Calls returns the call log, oldest first.
func (s *Sim) Calls() []Call { return s.world.Calls.All() }

// CallCounts returns calls per operation of a tenancy (by name), or of all when empty.
func (s *Sim) CallCounts(tenancy string) map[string]int { return s.world.Calls.Counts(tenancy) }

// ResetCalls empties the call log.
func (s *Sim) ResetCalls() { s.world.Calls.Reset() }

func (s *Sim) with(tenancy string, do func(*model.State) error) error {
	state, err := s.world.Tenancy(tenancy)
	if err != nil {
		return err
	}
	return do(state)
}

// SetCapacity says how many instances the hosts named by key can hold in all; a
// negative number removes the rule.
func (s *Sim) SetCapacity(tenancy string, key CapacityKey, instances int) error {
	return s.with(tenancy, func(state *model.State) error { state.SetCapacity(key, instances); return nil })
}

// RefuseWhileScaling has instance pools that are SCALING take nothing but their end and a smaller
// size from now on. That is what OCI documents, and not known to be all that it does.
func (s *Sim) RefuseWhileScaling(tenancy string) error {
	return s.with(tenancy, func(state *model.State) error { state.RefuseWhileScaling(); return nil })
}

// SetLimit changes a service limit, as standard-a1-core-count.
func (s *Sim) SetLimit(tenancy, name string, value int64) error {
	return s.with(tenancy, func(state *model.State) error { state.SetLimit(name, value); return nil })
}

// SetQuota changes a compartment quota.
func (s *Sim) SetQuota(tenancy, compartment, name string, value int64) error {
	return s.with(tenancy, func(state *model.State) error { state.SetQuota(compartment, name, value); return nil })
}

// SetRequestRate limits a tenancy to so many calls per second, with bursts; a rate of 0 lifts the
// limit.
func (s *Sim) SetRequestRate(tenancy string, rate float64, burst int) error {
	return s.with(tenancy, func(state *model.State) error { state.SetRequestRate(rate, burst); return nil })
}

// NewUser adds a user while the simulator runs.
func (s *Sim) NewUser(tenancy *Tenancy, compartments ...string) (Credentials, error) {
	key, err := NewKey()
	if err != nil {
		return Credentials{}, err
	}
	user, credentials, err := tenancy.makeUser(key, compartments)
	if err != nil {
		return credentials, err
	}
	return credentials, s.with(tenancy.OCID, func(state *model.State) error { state.AddUser(user); return nil })
}

// RevokeKey makes signatures of a key invalid from now on.
func (s *Sim) RevokeKey(tenancy, fingerprint string) error {
	return s.with(tenancy, func(state *model.State) error {
		if !state.RevokeKey(fingerprint) {
			return fmt.Errorf("tenancy %s has no key %s", tenancy, fingerprint)
		}
		return nil
	})
}

// RestoreUsers resets the users of a tenancy to their keys and permissions in its description:
// revoked keys work again.
func (s *Sim) RestoreUsers(tenancy *Tenancy) error {
	return s.with(tenancy.OCID, func(state *model.State) error {
		for _, user := range tenancy.Users {
			state.AddUser(user)
		}
		return nil
	})
}

// TerminateInstance terminates an instance, as a preemption would.
func (s *Sim) TerminateInstance(id string) error {
	return s.onInstance(id, (*model.State).TerminateBehind)
}

// StopInstance stops a running instance.
func (s *Sim) StopInstance(id string) error { return s.onInstance(id, (*model.State).StopBehind) }

// SetConsole says what an instance has written to its serial console.
func (s *Sim) SetConsole(id, text string) error {
	return s.onInstance(id, func(state *model.State, id string) error { return state.SetConsole(id, text) })
}

// DetachVolume detaches the data volume of a display name from its instance.
func (s *Sim) DetachVolume(volumeName string) error {
	err := fmt.Errorf("the simulator has no volume %s", volumeName)
	for _, state := range s.world.States() {
		if err = state.DetachBehind(volumeName); err == nil {
			return nil
		}
	}
	return err
}

// AttachCopy attaches a copy of the data volume of a display name, under this name, to the volume's
// instance.
func (s *Sim) AttachCopy(volumeName, device string) error {
	err := fmt.Errorf("the simulator has no volume %s", volumeName)
	for _, state := range s.world.States() {
		if err = state.AttachCopyBehind(volumeName, device); err == nil {
			return nil
		}
	}
	return err
}

func (s *Sim) onInstance(id string, do func(*model.State, string) error) error {
	for _, state := range s.world.States() {
		if state.InstanceState(id) != "" {
			return do(state, id)
		}
	}
	return fmt.Errorf("the simulator has no instance %s", id)
}

// ReservePublicIP reserves a public IP in a tenancy's first compartment.
func (s *Sim) ReservePublicIP(tenancy string) (id, address string, err error) {
	err = s.with(tenancy, func(state *model.State) error { id, address = state.ReserveBehind(); return nil })
	return id, address, err
}

// InstanceState returns an instance's lifecycle state, empty when it is unknown.
func (s *Sim) InstanceState(id string) string {
	for _, state := range s.world.States() {
		if found := state.InstanceState(id); found != "" {
			return found
		}
	}
	return ""
}

// Machines returns a tenancy's instances but TERMINATED ones.
func (s *Sim) Machines(tenancy string) ([]Machine, error) {
	var machines []Machine
	err := s.with(tenancy, func(state *model.State) error { machines = state.Machines(); return nil })
	return machines, err
}

// IsBackend tells whether an instance is a backend of an existing network load balancer, and not
// drained.
func (s *Sim) IsBackend(instance string) bool {
	for _, state := range s.world.States() {
		if state.IsBackend(instance) {
			return true
		}
	}
	return false
}

// Touched lists what became of the resources of other people in an inhabited tenancy.
func (s *Sim) Touched(tenancy string) ([]string, error) {
	var touched []string
	err := s.with(tenancy, func(state *model.State) error { touched = state.Touched(); return nil })
	return touched, err
}

// Leftovers returns every resource of a tenancy but TERMINATED ones.
func (s *Sim) Leftovers(tenancy string) ([]Leftover, error) {
	var left []Leftover
	err := s.with(tenancy, func(state *model.State) error { left = state.Leftovers(); return nil })
	return left, err
}
