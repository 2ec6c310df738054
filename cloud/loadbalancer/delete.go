// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package loadbalancer

import (
	"context"
	"errors"
	"slices"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// codeIncorrectState is OCI's refusal of a change while another one is under way (OCI
// documentation, "API Errors").
const codeIncorrectState = "IncorrectState"

// Removal is how far a Remove is.
type Removal struct {
	// Gone is set once it is proven that no load balancer of the cluster is left.
	Gone bool
	// InUse is OCI's message if it refuses the deletion for a reason that does not pass by itself.
	InUse string
	// Doing is Claiming while it is claimed from another management cluster.
	Doing string
	// Claim is what was decided about it; nil if there is none.
	Claim *ownership.Judgement
	// Elsewhere are the load balancers of the cluster that another management cluster holds: they
	// are left.
	Elsewhere []ownership.HeldElsewhereError
}

// Remove deletes the cluster's load balancer, and all others with its tags. It does not wait: call
// it again until it is Gone. id is the one that was seen last, empty if none was: the proof that
// nothing is left is then only that an authorised list is empty, which OCI's lists may be for a
// moment after a creation. What does not carry the cluster's tags is never touched.
func (a Account) Remove(ctx context.Context, owner ownership.Owner, id string) (Removal, error) {
	left, err := a.List(ctx, owner.Tags())
	if err != nil {
		return Removal{}, err
	}
	if id != "" && !slices.ContainsFunc(left, func(b oci.Balancer) bool { return b.ID == id }) {
		seen, exists, err := a.find(ctx, owner, id)
		if err != nil {
			return Removal{}, err
		}
		if exists && seen.HasTags(owner.Tags()) {
			left = append(left, seen)
		}
	}
	var removal Removal
	for _, one := range left {
		if one.State == oci.StateDeleting {
			continue
		}
		judgement := owner.Judge(one.ID, one.Tags)
		removal.Claim = &judgement
		switch {
		case judgement.Outcome == ownership.Elsewhere:
			removal.Elsewhere = append(removal.Elsewhere, ownership.HeldElsewhereError{ID: one.ID, Claim: judgement.Found})
			continue
		case judgement.Outcome == ownership.Foreign:
			continue
		case !judgement.Settled:
			removal.Doing = Claiming
			return removal, a.claim(ctx, owner, one, judgement)
		}
		_, err := a.Delete(ctx, judgement.Proof)
		var refusal *cloud.Error
		switch {
		case err == nil, cloud.IsKind(err, cloud.NotFoundOrUnauthorized), cloud.CodeOf(err) == codeIncorrectState:
			// Whether it is gone is found out by the next call.
		case errors.As(err, &refusal) && refusal.Kind == cloud.Conflict:
			removal.InUse = refusal.Message
			return removal, nil
		default:
			return Removal{}, err
		}
	}
	if len(left) > len(removal.Elsewhere) {
		return removal, nil
	}
	if err := a.probe(ctx); err != nil {
		return Removal{}, err
	}
	removal.Gone = true
	return removal, nil
}
