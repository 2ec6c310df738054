// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/feed"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// held is how this management cluster stands to an instance of the machine's.
type held struct {
	// ours says that it is for us to care for, settled that it may be ended as well.
	ours, settled bool
	// elsewhere says that another management cluster holds it, by the claim.
	elsewhere bool
	claim     ownership.Claim
	id        string
}

// holder is this management cluster, for the machine's instance.
func (r *Reconciler) holder(s *scope) ownership.Holder {
	return r.Claims.Holder(s.own, s.own.Status.Claim, s.own.Status.Instance.ID, s.now, 0)
}

// lookedAt is when what the polls show was true.
func lookedAt(s *scope, book *feed.Book) time.Time {
	age, polled := book.Age(s.now)
	if !polled {
		return s.now
	}
	return s.now.Add(-age)
}

// hold decides about an instance that may be claimed by another management cluster. A decision to
// claim it is recorded before the claim is written, so that whoever finds another claim then knows
// that somebody minds.
func (r *Reconciler) hold(ctx context.Context, s *scope, c *oci.Client, book *feed.Book, seen oci.Instance, at time.Time) (held, error) {
	holder := r.holder(s)
	s.owner = s.owner.HeldBy(holder)
	judgement := s.owner.Judge(seen.ID, seen.Tags)
	if judgement.Outcome == ownership.Foreign {
		// What status has recorded needs no tags.
		return held{ours: true, settled: true, id: seen.ID}, nil
	}
	s.own.Status.Claim = r.Claims.Next(holder, judgement, seen.ID, at)
	claims.Tell(r.Recorder, s.own, judgement, seen.ID)
	out := held{claim: judgement.Found, id: seen.ID}
	switch judgement.Outcome {
	case ownership.Ours:
		out.ours, out.settled = true, s.own.Status.Claim.State != infrav1.ClaimPending
		s.owner = s.owner.HeldBy(r.holder(s))
	case ownership.Elsewhere:
		out.elsewhere = true
	default:
		if !judgement.Again {
			s.exclusive = true
			return out, nil
		}
		return out, r.layClaim(ctx, s, c, book, judgement)
	}
	if !equality.Semantic.DeepEqual(s.own.Status.Claim, s.before.Status.Claim) && out.elsewhere {
		ctrl.LoggerFrom(ctx).Info("Another management cluster holds the instance", "instance", seen.ID, "holder", judgement.Found.Holder)
	}
	return out, nil
}

// layClaim writes the claim that status has recorded.
func (r *Reconciler) layClaim(ctx context.Context, s *scope, c *oci.Client, book *feed.Book, judgement ownership.Judgement) error {
	updated, err := c.UpdateInstanceTag(ctx, judgement.Laying, oci.TagChange{
		Key: infrav1.HeldByTag, From: judgement.Tag, To: s.owner.Laid(),
	})
	switch {
	case cloud.IsKind(err, cloud.Conflict):
		// It has changed since the poll: the next one shows how.
		book.Hurry()
		return nil
	case err != nil:
		return err
	}
	book.Note(updated, s.now)
	ctrl.LoggerFrom(ctx).Info("Claimed the instance", "instance", updated.ID, "before", judgement.Tag)
	return nil
}

// notHeld ends a pass on the way up.
func (r *Reconciler) notHeld(s *scope, h held, err error) error {
	switch {
	case err != nil:
		return phases.Unseen(err)
	case h.elsewhere:
		s.WaitFor(s.Intervals.Poll, infrav1.InstanceReadyCondition, infrav1.HeldElsewhereReason,
			"%s", "Instance "+h.claim.Elsewhere(h.id))
	default:
		s.WaitFor(time.Second, infrav1.InstanceReadyCondition, infrav1.ClaimingReason,
			"Claiming the instance from management cluster %s", h.claim.Holder)
	}
	return nil
}

// holdToEnd lets a deletion go on once the instance is for this management cluster to end. What
// another one holds is left, with its device: this object then stands for nothing.
func (r *Reconciler) holdToEnd(ctx context.Context, s *scope) error {
	account := s.own.Status.Placement.Account
	if r.Claims == nil || account == "" {
		return nil
	}
	if s.own.Status.Instance.ID == "" {
		if err := r.recoverFrom(ctx, s, account); err != nil || s.own.Status.Instance.ID == "" {
			return err
		}
	}
	c, book, err := r.accountOf(ctx, account)
	if err != nil {
		return waitingForAccount(err)
	}
	seen, at, exists, err := r.sighting(ctx, s, c, book)
	switch {
	case err != nil:
		return waitingForAccount(err)
	case !exists || seen.State == oci.StateTerminated:
		return nil
	}
	h, err := r.hold(ctx, s, c, book, seen, at)
	switch {
	case err != nil:
		return waitingForAccount(fmt.Errorf("account %s: %w", account, err))
	case h.elsewhere:
		return r.leaveElsewhere(ctx, s, h)
	case !h.settled:
		s.Deletion = access.NewProblem(infrav1.ClaimingReason, "Instance %s was claimed from another management cluster, which has %s to mind: "+
			"its end waits for that", h.id, r.Claims.Window())
		s.Stop()
		s.Requeue(min(s.Intervals.Progress, r.Claims.Window()))
	}
	return nil
}

// recoverFrom is for a placement of which it is not recorded what was launched: it may be another
// management cluster's instance.
func (r *Reconciler) recoverFrom(ctx context.Context, s *scope, account string) error {
	in, err := r.account(ctx, account)
	if err != nil {
		return waitingForAccount(err)
	}
	if shown := r.shownIn(s, in); len(shown) > 0 {
		return r.remember(ctx, s, located{Own: shown[0], account: account})
	}
	return nil
}

// sighting is the instance as polls show it. One that they do not show, and one whose claim has
// just stood for the window, is asked for itself.
func (r *Reconciler) sighting(ctx context.Context, s *scope, c *oci.Client, book *feed.Book) (oci.Instance, time.Time, bool, error) {
	holder, id := r.holder(s), s.own.Status.Instance.ID
	seen, known := book.Instance(id)
	if known && seen.Listed && (holder.Status.State != infrav1.ClaimPending || !holder.Stands(s.now)) {
		return seen.Instance, lookedAt(s, book), true, nil
	}
	found, exists, err := instance.Observe(ctx, c, id)
	return found, s.now, exists, err
}

// leaveElsewhere lets the object go and ends nothing.
func (r *Reconciler) leaveElsewhere(ctx context.Context, s *scope, h held) error {
	if err := r.loadKey(ctx, s); err != nil {
		return err
	}
	if s.keyExists {
		if err := r.deleteKeySecret(ctx, s); err != nil {
			return err
		}
	}
	claims.Left(r.Recorder, s.own, h.claim, "Instance "+h.id)
	ctrl.LoggerFrom(ctx).Info("Left the instance to the management cluster that holds it", "instance", h.id, "holder", h.claim.Holder)
	r.Claims.Forget(h.id)
	s.released = true
	s.Stop()
	return nil
}
