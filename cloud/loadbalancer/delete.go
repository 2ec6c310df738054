// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package loadbalancer

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// codeIncorrectState is OCI's refusal of a change while another one is under way, as documented
// ("API Errors").
const codeIncorrectState = "IncorrectState"

// isBusy tells the refusal of a change during another one from a lasting one. Network load
// balancers answer with the code Conflict and "Invalid State Transition of NLB lifeCycle state from
// Updating to Updating" (oracle/terraform-provider-oci issue 1456); whatever the words, one that is
// not ACTIVE now is busy.
func (a Account) isBusy(ctx context.Context, id string, err error) bool {
	var refusal *cloud.Error
	if !errors.As(err, &refusal) || refusal.Kind != cloud.Conflict {
		return false
	}
	if refusal.Code == codeIncorrectState || strings.Contains(strings.ToLower(refusal.Message), "state transition") {
		return true
	}
	seen, err := a.Get(ctx, id)
	return err != nil || seen.State != oci.StateActive
}

// Removal is the progress of a Remove.
type Removal struct {
	// Gone is set once no load balancer of the cluster is left, on proof.
	Gone bool
	// InUse is OCI's message if it refuses the deletion for a lasting reason.
	InUse string
	// Doing is Claiming while it is claimed from another management cluster.
	Doing string
	// Claim is the decision about it; nil if there is no load balancer.
	Claim *ownership.Judgement
	// Elsewhere are the load balancers of the cluster held by another management cluster: they are
	// left.
	Elsewhere []ownership.HeldElsewhereError
	// Untagged is set with Gone if the one seen last lives without the cluster's tags: it is left.
	Untagged bool
}

// Remove deletes the cluster's load balancer, and all others with its tags. It does not wait: call
// it again until it is Gone. id is the one seen last, empty if none was: the only proof of absence
// is then an empty authorised list, and OCI's lists may be empty for a moment after a creation.
// going says that its deletion was asked for. Load balancers without the cluster's tags are never
// touched.
func (a Account) Remove(ctx context.Context, owner ownership.Owner, id string, going bool) (Removal, error) {
	left, untagged, err := a.remaining(ctx, owner, id, going)
	if err != nil {
		return Removal{}, err
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
		case err == nil, cloud.IsKind(err, cloud.NotFoundOrUnauthorized), a.isBusy(ctx, one.ID, err):
			// The next call finds out whether it is gone.
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
	if id == "" {
		if err := a.probe(ctx); err != nil {
			return Removal{}, err
		}
	}
	removal.Gone, removal.Untagged = true, untagged
	return removal, nil
}

// remaining are the cluster's load balancers; untagged says that the recorded one lives without the
// cluster's tags. A 404 proves nothing but with an authorised list after it, and a list can miss
// what is there, so that one it does not show is read. One that is going is read first: the list
// comes after it anyway, once it is gone.
func (a Account) remaining(
	ctx context.Context, owner ownership.Owner, id string, going bool,
) (left []oci.Balancer, untagged bool, err error) {
	if !going {
		left, err = a.List(ctx, owner.Tags())
		if err != nil || id == "" || slices.ContainsFunc(left, func(b oci.Balancer) bool { return b.ID == id }) {
			return left, false, err
		}
	}
	seen, exists, err := a.recorded(ctx, id)
	if err != nil || exists && seen.State == oci.StateDeleting {
		return []oci.Balancer{seen}, false, err
	}
	left, err = a.List(ctx, owner.Tags())
	if exists && seen.HasTags(owner.Tags()) && !slices.ContainsFunc(left, func(b oci.Balancer) bool { return b.ID == id }) {
		left = append(left, seen)
	}
	return left, exists && !seen.HasTags(owner.Tags()), err
}

// recorded reads the load balancer of the OCID, if one is recorded. A 404 proves nothing yet.
func (a Account) recorded(ctx context.Context, id string) (oci.Balancer, bool, error) {
	if id == "" {
		return oci.Balancer{}, false, nil
	}
	balancer, err := a.Get(ctx, id)
	if cloud.IsKind(err, cloud.NotFoundOrUnauthorized) {
		return oci.Balancer{}, false, nil
	}
	return balancer, err == nil && balancer.State != oci.StateDeleted, err
}
