// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package capacity

import (
	"slices"
	"sync"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// Set are machines that ask OCI for the same thing: of one owner, with one spec. Machines of other
// owners are none of it, so that nobody keeps them from an account.
type Set struct{ Namespace, Cluster, Owner, Spec string }

// SetRefusals are the refused launches of sets, so that not each machine of a set asks each account
// that refuses one of them. They are this process's only: after a restart each machine asks once,
// as its own status has what it was told itself. The zero value is ready for use.
type SetRefusals struct {
	mu   sync.Mutex
	sets map[Set][]setRefusal
}

type setRefusal struct {
	infrav1.Shortage
	// account is the account's spec that refused: another one is asked at once.
	account int64
	// prober is the machine that tries the place again now that the time is up, until the other
	// ones' patience ends.
	prober string
	until  time.Time
}

// Record notes a refusal by a spec of an account. Machines of a set that asked at the same time
// count as one.
func (r *SetRefusals) Record(set Set, refusal infrav1.Shortage, account int64, now time.Time, policy Policy) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sets == nil {
		r.sets = map[Set][]setRefusal{}
	}
	for key, known := range r.sets {
		// The longest time that a place is left out is long over.
		known = slices.DeleteFunc(known, func(k setRefusal) bool { return now.Sub(k.Until.Time) > DefaultMax })
		if r.sets[key] = known; len(known) == 0 {
			delete(r.sets, key)
		}
	}
	if i := slices.IndexFunc(r.sets[set], func(k setRefusal) bool { return samePlace(k.Shortage, refusal) }); i >= 0 {
		old := r.sets[set][i]
		if old.Until.After(now) && old.account == account {
			return
		}
		r.sets[set] = slices.Delete(r.sets[set], i, i+1)
		if old.account == account {
			refusal.Count = max(refusal.Count, old.Count+1)
			refusal.Until.Time = now.Add(policy.LeftOut(refusal.Count))
		}
	}
	r.sets[set] = append(r.sets[set], setRefusal{Shortage: refusal, account: account})
}

// For are the places that the machine leaves out. Of those whose time is up the first machine that
// asks tries again, and the others wait for what it is told. account is the spec that an account
// has now.
func (r *SetRefusals) For(set Set, machine string, now time.Time, account func(name string) int64) []infrav1.Shortage {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []infrav1.Shortage
	for i := range r.sets[set] {
		known := &r.sets[set][i]
		if known.account != account(known.Account) {
			continue
		}
		refusal := known.Shortage
		if !refusal.Until.After(now) {
			if known.prober == machine || !known.until.After(now) {
				known.prober, known.until = machine, now.Add(ProbeTime)
				continue
			}
			refusal.Until.Time = known.until
		}
		out = append(out, refusal)
	}
	return out
}

// Forget drops what a set was told of the place.
func (r *SetRefusals) Forget(set Set, at Place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, told := r.sets[set]; told {
		r.sets[set] = slices.DeleteFunc(known, func(k setRefusal) bool { return Covers(k.Shortage, at) })
	}
}

// Covers tells whether the shortage is about the place.
func Covers(shortage infrav1.Shortage, at Place) bool { return covers(placeOf(shortage), at) }
