// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
)

// setOf is the set that the machine is of; false if it is of none.
func (s *scope) setOf() (capacity.Set, bool) {
	owner := ownerOf(s.machine)
	spec := s.own.Spec
	spec.ProviderID = ""
	text, err := json.Marshal(spec)
	if err != nil || owner == "" {
		return capacity.Set{}, false
	}
	digest := sha256.Sum256(text)
	return capacity.Set{Namespace: s.own.Namespace, Cluster: s.cluster.Name, Owner: owner, Spec: hex.EncodeToString(digest[:])}, true
}

// refusals are the places that the machine leaves out: its own, and its set's.
func (r *Reconciler) refusals(ctx context.Context, s *scope) []infrav1.Shortage {
	own := capacity.Refusals(s.own.Status.Shortages)
	set, is := s.setOf()
	if !is {
		return own
	}
	return append(own, r.toldToSet(ctx, s, set)...)
}

// isRefusedToSet tells whether another machine of the set was refused the place since this one
// chose it. Before there is a key nothing was launched, and the place can be left unasked.
func (r *Reconciler) isRefusedToSet(ctx context.Context, s *scope) bool {
	set, is := s.setOf()
	if !is || s.key.Exists || s.own.Status.Placement.Account == "" {
		return false
	}
	at := scheduling.PlaceOf(s.own.Status.Placement)
	return slices.ContainsFunc(r.toldToSet(ctx, s, set), func(refusal infrav1.Shortage) bool { return capacity.Covers(refusal, at) })
}

// toldToSet are the places that the machine leaves out for its set.
func (r *Reconciler) toldToSet(ctx context.Context, s *scope, set capacity.Set) []infrav1.Shortage {
	return r.setRefusals.For(set, s.own.Name, s.now, func(name string) int64 { return r.accountSpec(ctx, name) })
}

// refusedToSet notes the machine's newest refusal for its set.
func (r *Reconciler) refusedToSet(ctx context.Context, s *scope) {
	set, is := s.setOf()
	at := scheduling.PlaceOf(s.own.Status.Placement)
	for _, refusal := range capacity.Refusals(s.own.Status.Shortages) {
		if is && capacity.Covers(refusal, at) && refusal.Until.After(s.now) {
			r.setRefusals.Record(set, refusal, r.accountSpec(ctx, at.Account), s.now, s.options.Capacity)
		}
	}
}

// takenIn forgets what the set was told of the place: an instance of it runs there.
func (r *Reconciler) takenIn(s *scope) {
	if s.wasProvisioned() {
		return
	}
	if set, is := s.setOf(); is {
		r.setRefusals.Forget(set, scheduling.PlaceOf(s.own.Status.Placement))
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
