// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/cluster-api/util/conditions"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/feed"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// settlingPasses is for how many intervals of progress a search without result is repeated when a launch may be under way: a
// list of OCI's may not show yet what was just made.
const settlingPasses = 3

// victim is an instance to end, and where it is.
type victim struct {
	id, account, availabilityDomain string
}

// terminate ends the machine's instances and waits until they and their volumes are gone, on evidence. An account that does
// not answer proves nothing, and keeps the machine.
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
			s.stop()
			s.requeue(cloud.RetryAfterOf(err))
			continue
		}
		if err != nil {
			return waitingForAccount(fmt.Errorf("account %s: %w", v.account, err))
		}
		if !gone {
			s.stop()
			s.requeue(r.Options.withDefaults().ProgressInterval)
		}
	}
	s.hadInstance = len(victims) > 0
	if notPolled != nil && !s.stopped {
		return r.lookForOthers(ctx, s)
	}
	return nil
}

// asBefore leaves what the deletion is said to wait for as it was.
func (s *scope) asBefore() {
	before := conditions.Get(s.before, infrav1.DeletingCondition)
	if before != nil && before.Reason == infrav1.WaitingForTerminationReason {
		s.deletion = access.NewProblem(before.Reason, "%s", before.Message)
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
		return &phaseError{condition: infrav1.DeletingCondition, problem: problem}
	}
	return &phaseError{condition: infrav1.DeletingCondition, problem: &access.Problem{
		Reason: infrav1.WaitingForAccountReason, RetryAfter: problem.RetryAfter, Err: err,
		Message: "The instance cannot be proven gone: " + problem.Message,
	}}
}

// remove ends one instance; gone says that nothing is left of it.
func (r *Reconciler) remove(ctx context.Context, s *scope, v victim) (gone bool, err error) {
	c, book, err := r.accountOf(ctx, v.account)
	if err != nil {
		return false, err
	}
	removal, err := r.end(ctx, s, c, book, v.id)
	if err != nil {
		return false, err
	}
	if v.id == s.own.Status.Instance.ID && removal.State != "" {
		s.own.Status.Instance.State = string(removal.State)
	}
	if !removal.Gone {
		s.deletion = access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for instance %s, which is %s, to be TERMINATED",
			v.id, removal.State)
		return false, nil
	}
	gone, err = instance.RemoveVolumes(ctx, c, instance.Volumes{
		InstanceID: v.id, AvailabilityDomain: v.availabilityDomain, DataNames: s.volumeNames(),
		GoneSince: goneSince(s, book, v.id), Age: r.Options.withDefaults().ProgressInterval / 2,
	})
	if err == nil && !gone {
		s.deletion = access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for the volumes of instance %s to be gone", v.id)
	}
	return gone, err
}

// end asks for the end of an instance and looks how far it is: in what polls show or, if they do not show it, by asking for it.
func (r *Reconciler) end(ctx context.Context, s *scope, c *oci.Client, book *feed.Book, id string) (instance.Removal, error) {
	seen, known := book.Instance(id)
	if !known || !seen.Listed {
		return instance.Remove(ctx, c, id)
	}
	removal, err := instance.End(ctx, c, seen.Instance)
	if err == nil && removal.State != seen.State {
		seen.State = removal.State
		book.Note(seen.Instance, s.now)
	}
	return removal, err
}

// goneSince is from when on the instance is known to be gone. All machines of the account whose end a poll has shown are told from lists
// that they share.
func goneSince(s *scope, book *feed.Book, id string) time.Time {
	if seen, known := book.Instance(id); known && seen.Listed {
		return seen.Since
	}
	return s.now
}

func (s *scope) volumeNames() []string {
	names := make([]string, 0, len(s.own.Spec.DataVolumes))
	for _, volume := range s.own.Spec.DataVolumes {
		names = append(names, instance.VolumeName(s.hostname, volume.Name))
	}
	return names
}

// victims are the instance that is recorded and all others that carry the machine's tag. With a notPolledError it is the recorded one
// only, whose end need not wait for the look that finds the others.
func (r *Reconciler) victims(ctx context.Context, s *scope) ([]victim, error) {
	account := s.own.Status.Placement.Account
	switch {
	case account == "" && s.own.Spec.ProviderID != "":
		return r.victimsByProviderID(ctx, s)
	case account == "":
		return r.victimsAnywhere(ctx, s)
	case s.own.Status.Instance.ID == "" && !s.keyExists:
		// Placed and never launched.
		return nil, nil
	}
	in, err := r.account(ctx, account)
	if err != nil {
		return nil, err
	}
	if recorded := s.own.Status.Instance.ID; recorded != "" {
		// While it ends, a poll comes by itself.
		tagged, err := r.seenUnasked(s, in)
		return appendVictim(victimsIn(account, tagged), victim{recorded, account, s.own.Status.Placement.AvailabilityDomain}), err
	}
	tagged, err := r.seenIn(s, in)
	if err != nil {
		return nil, err
	}
	victims := victimsIn(account, tagged)
	if len(victims) == 0 && r.mayBeSettling(s) {
		problem := access.NewProblem(infrav1.WaitingForTerminationReason,
			"a launch may be under way in account %s, its instance is looked for once more", account)
		problem.RetryAfter = r.Options.withDefaults().ProgressInterval
		return nil, problem
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
	s.stop()
	s.requeue(time.Second)
	return nil
}

// mayBeSettling tells whether an instance may exist that lists do not show yet. The time counts from the first search without
// result: a launch that was sent before the deletion may have kept the first pass after it waiting for longer than that.
func (r *Reconciler) mayBeSettling(s *scope) bool {
	since := r.ledger.searchedSince(s.search(), s.now)
	return s.now.Sub(since) < settlingPasses*r.Options.withDefaults().ProgressInterval
}

// victimsByProviderID looks for the one instance in every account that it may be in: status was lost.
func (r *Reconciler) victimsByProviderID(ctx context.Context, s *scope) ([]victim, error) {
	accounts, err := r.possibleAccounts(ctx, s)
	if err != nil {
		return nil, err
	}
	id := instanceIDOf(s.own.Spec.ProviderID)
	if len(accounts) == 0 {
		return nil, access.NewProblem(infrav1.AccountNotFoundReason,
			"there is no OCIAccount left that instance %s may be in: create the one that it is in again", id)
	}
	var silent error
	for i := range accounts {
		var found oci.Instance
		exists := false
		c, err := r.Access.OCI(ctx, &accounts[i])
		if err == nil {
			found, exists, err = instance.Observe(ctx, c, id)
		}
		switch {
		case err != nil:
			silent = fmt.Errorf("account %s: %w", accounts[i].Name, err)
		case exists:
			return []victim{{id, accounts[i].Name, found.AvailabilityDomain}}, nil
		}
	}
	return nil, silent
}

// victimsAnywhere is for a machine of which nothing is recorded. It was never launched, unless status was lost early; so it is
// looked for where accounts answer, and one that is known not to does not hold up the deletion unless a key says otherwise.
func (r *Reconciler) victimsAnywhere(ctx context.Context, s *scope) ([]victim, error) {
	accounts, err := r.possibleAccounts(ctx, s)
	if err != nil {
		return nil, err
	}
	var victims []victim
	for i := range accounts {
		if !isReady(&accounts[i]) && !s.statusWasLost() {
			continue
		}
		tagged, err := r.seenIn(s, &accounts[i])
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", accounts[i].Name, err)
		}
		victims = append(victims, victimsIn(accounts[i].Name, tagged)...)
	}
	return victims, nil
}

func victimsIn(account string, instances []oci.Instance) []victim {
	victims := make([]victim, 0, len(instances))
	for _, found := range instances {
		victims = append(victims, victim{found.ID, account, found.AvailabilityDomain})
	}
	return victims
}

func appendVictim(victims []victim, recorded victim) []victim {
	for _, v := range victims {
		if v.id == recorded.id {
			return victims
		}
	}
	return append(victims, recorded)
}

// release lets the object go: nothing is left that it stood for.
func (r *Reconciler) release(ctx context.Context, s *scope) error {
	s.released = true
	r.ledger.forget(client.ObjectKeyFromObject(s.own))
	ctrl.LoggerFrom(ctx).Info("Nothing is left of the machine")
	return nil
}
