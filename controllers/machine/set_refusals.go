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
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
)

// sets know which places have refused other machines of a machine's set.
type sets struct {
	access   *access.Clients
	refusals *capacity.SetRefusals
}

func (r *Reconciler) sets() sets { return sets{access: r.Access, refusals: &r.setRefusals} }

// setOf is the set that the machine is of; false if it is of none.
func setOf(s *scope) (capacity.Set, bool) {
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

// leftOut are the places that the machine leaves out: its own, and its set's.
func (k sets) leftOut(ctx context.Context, s *scope) []infrav1.Shortage {
	own := capacity.Refusals(s.own.Status.Shortages)
	set, is := setOf(s)
	if !is {
		return own
	}
	return append(own, k.told(ctx, s, set)...)
}

// refuse tells whether another machine of the set was refused the place since this one
// chose it. Before there is a key nothing was launched, and the place can be left unasked.
func (k sets) refuse(ctx context.Context, s *scope) bool {
	set, is := setOf(s)
	if !is || s.key.Exists || s.own.Status.Placement.Account == "" {
		return false
	}
	at := scheduling.PlaceOf(s.own.Status.Placement)
	return slices.ContainsFunc(k.told(ctx, s, set), func(refusal infrav1.Shortage) bool { return capacity.Covers(refusal, at) })
}

// told are the places that the machine leaves out for its set.
func (k sets) told(ctx context.Context, s *scope, set capacity.Set) []infrav1.Shortage {
	return k.refusals.For(set, s.own.Name, s.now, func(name string) int64 { return k.accountSpec(ctx, name) })
}

// noteRefusal notes the machine's newest refusal for its set.
func (k sets) noteRefusal(ctx context.Context, s *scope) {
	set, is := setOf(s)
	at := scheduling.PlaceOf(s.own.Status.Placement)
	for _, refusal := range capacity.Refusals(s.own.Status.Shortages) {
		if is && capacity.Covers(refusal, at) && refusal.Until.After(s.now) {
			k.refusals.Record(set, refusal, k.accountSpec(ctx, at.Account), s.now, s.options.Capacity)
		}
	}
}

// takenIn forgets what the set was told of the place: an instance of it runs there.
func (k sets) takenIn(s *scope) {
	if s.wasProvisioned() {
		return
	}
	if set, is := setOf(s); is {
		k.refusals.Forget(set, scheduling.PlaceOf(s.own.Status.Placement))
	}
}

// accountSpec tells one spec of an account from the next; 0 if it is gone.
func (k sets) accountSpec(ctx context.Context, name string) int64 {
	account, err := k.access.AccountOf(ctx, name, "machine")
	if err != nil {
		return 0
	}
	return account.Generation
}
