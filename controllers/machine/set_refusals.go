// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
)

// probeFor is how long one machine of a set has to try a place again before another one may.
const probeFor = 2 * time.Minute

// machineSet are machines that ask OCI for the same thing: of one owner, with one spec. Machines of
// other owners are none of it, so that nobody keeps them from an account.
type machineSet struct{ namespace, cluster, owner, spec string }

// setRefusals are the refused launches of machine sets, so that not each machine of a set asks each
// account that refuses one of them. They are this process's only: after a restart each machine asks
// once, as its own status has what it was told itself.
type setRefusals struct {
	mu   sync.Mutex
	sets map[machineSet][]setRefusal
}

type setRefusal struct {
	infrav1.Shortage
	// account is the account's spec that refused: another one is asked at once.
	account int64
	// prober is the machine that tries the place again now that the time is up, until the other
	// ones' patience ends.
	prober client.ObjectKey
	until  time.Time
}

// setOf is the set that the machine is of; false if it is of none.
func (s *scope) setOf() (machineSet, bool) {
	owner := ownerOf(s.machine)
	spec := s.own.Spec
	spec.ProviderID = ""
	text, err := json.Marshal(spec)
	if err != nil || owner == "" {
		return machineSet{}, false
	}
	digest := sha256.Sum256(text)
	return machineSet{s.own.Namespace, s.cluster.Name, owner, hex.EncodeToString(digest[:])}, true
}

// record notes a refusal. Machines of a set that asked at the same time count as one.
func (r *setRefusals) record(set machineSet, refusal infrav1.Shortage, account int64, now time.Time, policy capacity.Policy) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sets == nil {
		r.sets = map[machineSet][]setRefusal{}
	}
	for key, known := range r.sets {
		// The longest time that a place is left out is long over.
		known = slices.DeleteFunc(known, func(k setRefusal) bool { return now.Sub(k.Until.Time) > capacity.DefaultMax })
		if r.sets[key] = known; len(known) == 0 {
			delete(r.sets, key)
		}
	}
	same := func(k setRefusal) bool { return placeOf(k.Shortage) == placeOf(refusal) }
	if i := slices.IndexFunc(r.sets[set], same); i >= 0 {
		old := r.sets[set][i]
		if old.Until.After(now) && old.account == account {
			return
		}
		r.sets[set] = slices.Delete(r.sets[set], i, i+1)
		if old.account == account {
			refusal.Count = max(refusal.Count, old.Count+1)
			refusal.Until = metav1.NewTime(now.Add(policy.LeftOut(refusal.Count)))
		}
	}
	r.sets[set] = append(r.sets[set], setRefusal{Shortage: refusal, account: account})
}

// of are the places that the machine leaves out. Of those whose time is up the first machine that
// asks tries again, and the others wait for what it is told.
func (r *setRefusals) of(set machineSet, machine client.ObjectKey, now time.Time, account func(name string) int64) []infrav1.Shortage {
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
				known.prober, known.until = machine, now.Add(probeFor)
				continue
			}
			refusal.Until = metav1.NewTime(known.until)
		}
		out = append(out, refusal)
	}
	return out
}

// forget drops what was told of a place.
func (r *setRefusals) forget(set machineSet, at capacity.Place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, told := r.sets[set]
	if told {
		r.sets[set] = slices.DeleteFunc(known, func(k setRefusal) bool { return covers(k.Shortage, at) })
	}
}

func placeOf(refusal infrav1.Shortage) capacity.Place {
	return capacity.Place{Account: refusal.Account, AvailabilityDomain: refusal.AvailabilityDomain, Shape: refusal.Shape}
}

func covers(refusal infrav1.Shortage, at capacity.Place) bool {
	part := func(of, is string) bool { return of == "" || of == is }
	return refusal.Account == at.Account && part(refusal.AvailabilityDomain, at.AvailabilityDomain) && part(refusal.Shape, at.Shape)
}

// refusals are the places that the machine leaves out: its own, and its set's.
func (r *Reconciler) refusals(ctx context.Context, s *scope) []infrav1.Shortage {
	own := capacity.Refusals(s.own.Status.Shortages)
	set, is := s.setOf()
	if !is {
		return own
	}
	return append(own, r.setRefusals.of(set, client.ObjectKeyFromObject(s.own), s.now, func(name string) int64 { return r.accountSpec(ctx, name) })...)
}

// isRefusedToSet tells whether another machine of the set was refused the place since this one
// chose it. Before there is a key nothing was launched, and the place can be left unasked.
func (r *Reconciler) isRefusedToSet(ctx context.Context, s *scope) bool {
	set, is := s.setOf()
	if !is || s.key.exists || s.own.Status.Placement.Account == "" {
		return false
	}
	at := scheduling.PlaceOf(s.own.Status.Placement)
	all := r.setRefusals.of(set, client.ObjectKeyFromObject(s.own), s.now, func(name string) int64 { return r.accountSpec(ctx, name) })
	return slices.ContainsFunc(all, func(refusal infrav1.Shortage) bool { return covers(refusal, at) })
}

// refusedToSet notes the machine's newest refusal for its set.
func (r *Reconciler) refusedToSet(ctx context.Context, s *scope) {
	set, is := s.setOf()
	at := scheduling.PlaceOf(s.own.Status.Placement)
	for _, refusal := range capacity.Refusals(s.own.Status.Shortages) {
		if is && covers(refusal, at) && refusal.Until.After(s.now) {
			r.setRefusals.record(set, refusal, r.accountSpec(ctx, at.Account), s.now, s.options.Capacity)
		}
	}
}

// takenIn forgets what the set was told of the place: an instance of it runs there.
func (r *Reconciler) takenIn(s *scope) {
	if s.provisioned() {
		return
	}
	if set, is := s.setOf(); is {
		r.setRefusals.forget(set, scheduling.PlaceOf(s.own.Status.Placement))
	}
}

// accountSpec tells one spec of an account from the next; 0 if it is gone.
func (r *Reconciler) accountSpec(ctx context.Context, name string) int64 {
	account, err := r.Access.AccountOf(ctx, name, "machine")
	if err != nil {
		return 0
	}
	return account.Generation
}
