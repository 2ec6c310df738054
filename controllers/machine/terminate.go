// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/feed"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// victim is an instance to end, which is proven to be the machine's, and where it is.
type victim struct {
	own                         ownership.Proof
	account, availabilityDomain string
}

// terminate ends the machine's instances and waits until they and their volumes are gone, on
// evidence. An account that does not answer proves nothing, and keeps the machine.
func (r *Reconciler) terminate(ctx context.Context, s *scope) error {
	if err := r.loadKey(ctx, s); err != nil {
		return err
	}
	victims, err := r.victims(ctx, s)
	var notPolled *notPolledError
	if err != nil && (len(victims) == 0 || !errors.As(err, &notPolled)) {
		return waitingForAccount(err)
	}
	for _, v := range victims {
		gone, err := r.remove(ctx, s, v)
		if cloud.IsKind(err, cloud.Throttled) && cloud.WasNotSent(err) {
			// It is this machine's turn later: nothing that anybody has to know of.
			s.asBefore()
			s.Stop()
			s.Requeue(cloud.RetryAfterOf(err))
			continue
		}
		if err != nil {
			return waitingForAccount(fmt.Errorf("account %s: %w", v.account, err))
		}
		if !gone {
			s.Stop()
			s.Requeue(s.Intervals.Progress)
		}
		s.endedIn = append(s.endedIn, v.account)
	}
	s.hadInstance = len(victims) > 0
	if notPolled != nil && !s.Stopped() {
		return r.lookForOthers(ctx, s)
	}
	return nil
}

// asBefore leaves what the deletion is said to wait for as it was.
func (s *scope) asBefore() {
	before := conditions.Get(s.before, infrav1.DeletingCondition)
	if before != nil && before.Reason == infrav1.WaitingForTerminationReason {
		s.Deletion = access.NewProblem(before.Reason, "%s", before.Message)
	}
}

// waitingForAccount says that nothing can be proven gone for the moment.
func waitingForAccount(err error) error {
	var notPolled *notPolledError
	if errors.As(err, &notPolled) {
		return err
	}
	problem := access.AsProblem(err)
	switch problem.Reason {
	case infrav1.InternalErrorReason:
		return err
	case infrav1.WaitingForTerminationReason:
		return problem
	}
	return &access.Problem{
		Reason: infrav1.WaitingForAccountReason, RetryAfter: problem.RetryAfter, Err: err,
		Message: "The instance cannot be proven gone: " + problem.Message,
	}
}

// remove ends one instance; gone says that nothing is left of it.
func (r *Reconciler) remove(ctx context.Context, s *scope, v victim) (gone bool, err error) {
	c, book, err := r.accountOf(ctx, v.account)
	if err != nil {
		return false, err
	}
	id := v.own.ID()
	if recorded, err := r.recordVolumes(ctx, s, c, book, v.own); err != nil || !recorded {
		return false, err
	}
	removal, err := r.end(ctx, s, c, book, v.own)
	if err != nil {
		return false, err
	}
	if id == s.own.Status.Instance.ID && removal.State != "" {
		s.own.Status.Instance.State = string(removal.State)
	}
	if !removal.Gone {
		s.Deletion = access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for instance %s, which is %s, to be TERMINATED",
			id, removal.State)
		return false, nil
	}
	gone, err = instance.RemoveVolumes(ctx, c, instance.Volumes{
		Instance: v.own, AvailabilityDomain: v.availabilityDomain, Data: s.leaving(),
		GoneSince: goneSince(s, book, id), Age: s.Intervals.Progress / 2,
	})
	if err == nil && !gone {
		s.Deletion = access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for the volumes of instance %s to be gone", id)
	}
	return gone, err
}

// end asks for the end of an instance and looks how far it is: in what polls show or, if they do
// not show it, by asking for it.
func (r *Reconciler) end(ctx context.Context, s *scope, c *oci.Client, book *feed.Book, own ownership.Proof) (instance.Removal, error) {
	seen, known := book.Instance(own.ID())
	if !known || !seen.Listed {
		return instance.Remove(ctx, c, own)
	}
	removal, err := instance.End(ctx, c, own, seen.State)
	if err == nil && removal.State != seen.State {
		seen.State = removal.State
		book.Note(seen.Instance, s.now)
	}
	return removal, err
}

// goneSince is from when on the instance is known to be gone. All machines of the account whose end
// a poll has shown are told from lists that they share.
func goneSince(s *scope, book *feed.Book, id string) time.Time {
	if seen, known := book.Instance(id); known && seen.Listed {
		return seen.Since
	}
	return s.now
}

// victims are the instance that is recorded and all others that carry the machine's tags. With a
// notPolledError it is the recorded one only, whose end need not wait for the look that finds the
// others.
func (r *Reconciler) victims(ctx context.Context, s *scope) ([]victim, error) {
	account := s.own.Status.Placement.Account
	switch {
	case account == "":
		// Nothing was found anywhere: see recoverStatus.
		return nil, nil
	case s.own.Status.Instance.ID == "" && !s.keyExists:
		// Placed and never launched.
		return r.victimsElsewhere(ctx, s)
	}
	in, err := r.account(ctx, account)
	if err != nil {
		return nil, err
	}
	elsewhere, err := r.victimsElsewhere(ctx, s)
	if err != nil {
		return nil, err
	}
	if recorded := s.own.Status.Instance.ID; recorded != "" {
		// While it ends, a poll comes by itself.
		tagged, err := r.seenUnasked(s, in)
		victims := appendVictim(victimsIn(s, account, tagged),
			victim{ownership.Recorded(s.own.Status.Instance.ID), account, s.own.Status.Placement.AvailabilityDomain})
		return append(victims, elsewhere...), err
	}
	tagged, err := r.seenIn(s, in)
	if err != nil {
		return nil, err
	}
	victims := append(victimsIn(s, account, tagged), elsewhere...)
	if len(victims) == 0 {
		return nil, r.repeatLaunch(ctx, s)
	}
	return victims, nil
}

// victimsElsewhere are the machine's instances in the cluster's other accounts, as far as their
// polls have shown them: none is launched there by a machine whose status holds, but a status can
// be an old one, from a backup. An account that does not answer holds nobody up.
func (r *Reconciler) victimsElsewhere(ctx context.Context, s *scope) ([]victim, error) {
	candidates, err := r.candidates(ctx, s)
	if err != nil {
		return nil, err
	}
	var victims []victim
	for _, c := range candidates {
		if c.Name != s.own.Status.Placement.Account {
			victims = append(victims, victimsIn(s, c.Name, r.shownIn(s, c.OCIAccount))...)
		}
	}
	return victims, nil
}

// lookForOthers asks for the poll that finds others than the recorded instance, which is gone.
func (r *Reconciler) lookForOthers(ctx context.Context, s *scope) error {
	in, err := r.account(ctx, s.own.Status.Placement.Account)
	if err != nil {
		return waitingForAccount(err)
	}
	if _, err = r.seenIn(s, in); err != nil {
		return waitingForAccount(err)
	}
	// The poll has come meanwhile.
	s.Stop()
	s.Requeue(time.Second)
	return nil
}

// victimsIn leaves out what another management cluster holds.
func victimsIn(s *scope, account string, instances []instance.Own) []victim {
	victims := make([]victim, 0, len(instances))
	for _, found := range instances {
		if own, proven := s.owner.Tagged(found.ID, found.Tags); proven {
			victims = append(victims, victim{own, account, found.AvailabilityDomain})
		}
	}
	return victims
}

func appendVictim(victims []victim, recorded victim) []victim {
	for _, v := range victims {
		if v.own.ID() == recorded.own.ID() {
			return victims
		}
	}
	return append(victims, recorded)
}
