// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
)

// claimer lays this management cluster's claims to instances.
type claimer struct {
	claims   *claims.Claims
	recorder events.EventRecorder
}

// held is how this management cluster stands to an instance of the machine's.
type held struct {
	id string
	// ours instances are in our care; settled ones may be ended as well.
	ours, settled bool
	// elsewhere instances are held by another management cluster, by its claim.
	elsewhere bool
	claim     ownership.Claim
	// owner and status follow from the decision. undecided asks for a record of the status before
	// the claim is written.
	owner     ownership.Owner
	status    infrav1.ClaimStatus
	undecided bool
}

// sighting is an instance as OCI showed it at a time.
type sighting struct {
	oci.Instance
	at time.Time
}

// shownAt is the time of the facts from polls.
func shownAt(cache *instancecache.Cache, now time.Time) time.Time {
	age, polled := cache.Age(now)
	if !polled {
		return now
	}
	return now.Add(-age)
}

// holder is this management cluster, for the machine's instance.
func (c claimer) holder(own *infrav1.OCIMeshMachine, status infrav1.ClaimStatus, now time.Time) ownership.Holder {
	return c.claims.Holder(own, status, own.Status.Instance.ID, now, 0)
}

// sight is the machine's instance as polls show it. A call asks for an instance missing there, and
// for one whose claim has just stood for the window.
func (c claimer) sight(ctx context.Context, own *infrav1.OCIMeshMachine, in account, now time.Time) (sighting, bool, error) {
	holder, id := c.holder(own, own.Status.Claim, now), own.Status.Instance.ID
	seen, known := in.cache.Instance(id)
	if known && seen.Listed && (!holder.Status.State.IsPending() || !holder.Stands(now)) {
		return sighting{seen.Instance, shownAt(in.cache, now)}, true, nil
	}
	found, exists, err := instance.Observe(ctx, in.client, id)
	return sighting{found, now}, exists, err
}

// hold decides about an instance with, perhaps, another management cluster's claim. A decision to
// claim it is recorded before the claim is written: a later reader of another claim then knows of
// the contest. The decision stands even if err is not nil.
func (c claimer) hold(
	ctx context.Context, own *infrav1.OCIMeshMachine, owner ownership.Owner, in account, seen sighting, now time.Time,
) (held, error) {
	before := own.Status.Claim
	holder := c.holder(own, before, now)
	h := held{id: seen.ID, owner: owner.HeldBy(holder), status: before}
	judgement := h.owner.Judge(seen.ID, seen.Tags)
	if judgement.Outcome == ownership.Foreign {
		// A recorded instance needs no tags.
		h.ours, h.settled = true, true
		return h, nil
	}
	h.status, h.claim = c.claims.Next(holder, judgement, seen.ID, seen.at), judgement.Found
	claims.Tell(c.recorder, own, judgement, seen.ID)
	switch judgement.Outcome {
	case ownership.Ours:
		h.ours, h.settled = true, !h.status.State.IsPending()
		h.owner = owner.HeldBy(c.holder(own, h.status, now))
	case ownership.Elsewhere:
		h.elsewhere = true
		if !equality.Semantic.DeepEqual(h.status, before) {
			ctrl.LoggerFrom(ctx).Info("Another management cluster holds the instance", "instance", seen.ID, "holder", judgement.Found.Holder)
		}
	default:
		if !judgement.Again {
			h.undecided = true
			return h, nil
		}
		return h, h.lay(ctx, in, judgement, now)
	}
	return h, nil
}

// lay writes the recorded claim.
func (h held) lay(ctx context.Context, in account, judgement ownership.Judgement, now time.Time) error {
	updated, err := in.client.UpdateInstanceTag(ctx, judgement.Laying, oci.TagChange{
		Key: infrav1.HeldByTag, From: judgement.Tag, To: h.owner.Laid(),
	})
	switch {
	case cloud.IsKind(err, cloud.Conflict):
		// It has changed since the poll: the next one shows how.
		in.cache.Hurry()
		return nil
	case err != nil:
		return err
	}
	in.cache.Note(updated, now)
	ctrl.LoggerFrom(ctx).Info("Claimed the instance", "instance", updated.ID, "before", judgement.Tag)
	return nil
}

// hold takes a decision over into the pass.
func (s *scope) hold(h held) {
	s.owner, s.own.Status.Claim = h.owner, h.status
	s.exclusive = s.exclusive || h.undecided
}
