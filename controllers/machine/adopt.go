// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
)

// located is an instance that is proven to be the machine's, and the account that it is in.
type located struct {
	instance.Own
	account string
}

// adopt looks for an instance that is the machine's and that status does not know: after a launch
// whose answer was lost, a move, or a restore. Status can be lost at any time, so that it is never
// taken for all that there is.
func (r *Reconciler) adopt(ctx context.Context, s *scope) error {
	if s.own.Status.Instance.ID != "" {
		return nil
	}
	if s.own.Status.Placement.Account == "" && r.isUnborn(s) {
		return nil
	}
	if err := r.loadKey(ctx, s); err != nil {
		return err
	}
	if s.neverLaunched() {
		return nil
	}
	found, err := r.search(ctx, s)
	var notPolled *notPolledError
	switch {
	case errors.As(err, &notPolled):
		return err
	case err != nil:
		return asDuplicate(err)
	}
	if found == nil {
		return r.missing(s)
	}
	if err := r.remember(ctx, s, *found); err != nil {
		return err
	}
	r.event(s, "InstanceAdopted", "Adopt", "Adopted instance %s in account %s", found.ID, found.account)
	return nil
}

// neverLaunched tells whether status says for certain that there is no instance: a placement is
// launched only once its key is stored, and it is given up only after a refusal.
func (s *scope) neverLaunched() bool {
	if s.own.Spec.ProviderID != "" {
		return false
	}
	if s.own.Status.Placement.Account != "" {
		return !s.keyExists
	}
	return len(s.own.Status.Shortages) > 0
}

// isUnborn tells whether this process knows for certain that there is neither a key nor an
// instance: it has seen the machine without an identity, and has made nothing for it since.
func (r *Reconciler) isUnborn(s *scope) bool {
	return s.own.Spec.ProviderID == "" && r.ledger.isUnborn(client.ObjectKeyFromObject(s.own), s.identity)
}

// statusWasLost tells that there may be an instance of which status knows nothing: a key is made
// for a placement only, and a placement with a key is given up only for a shortage.
func (s *scope) statusWasLost() bool {
	return s.keyExists && s.own.Status.Placement.Account == "" && len(s.own.Status.Shortages) == 0
}

// missing judges a search without result. A machine that was provisioned never gets a second
// instance, and neither does one whose providerID somebody else has written: that proves nothing,
// and nothing is done to what it names.
func (r *Reconciler) missing(s *scope) error {
	if s.own.Spec.ProviderID == "" {
		return nil
	}
	s.WaitFor(s.Intervals.Poll, infrav1.InstanceReadyCondition, infrav1.InstanceNotOwnedReason,
		"No account has an instance %s with the tags of this machine, %s=%s and %s=%s/%s: if the instance is gone, delete the Machine, or let a "+
			"MachineHealthCheck do so; if providerID was written by hand or came from a copy, make the object anew without it",
		instanceIDOf(s.own.Spec.ProviderID), infrav1.MachineUIDTag, s.identity, infrav1.MachineNameTag, s.own.Namespace, s.own.Name)
	return nil
}

// remember takes a found instance over into status.
func (r *Reconciler) remember(ctx context.Context, s *scope, found located) error {
	s.own.Status.Instance = infrav1.InstanceStatus{ID: found.ID, State: string(found.State)}
	if s.own.Status.Placement.Account == found.account {
		return nil
	}
	account := &infrav1.OCIAccount{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: found.account}, account); err != nil {
		return fmt.Errorf("reading OCIAccount %s: %w", found.account, err)
	}
	s.own.Status.FailureDomain = failureDomainOf(account, found.AvailabilityDomain)
	s.own.Status.Placement = infrav1.Placement{
		Attempt: 1, Account: found.account, AvailabilityDomain: found.AvailabilityDomain, FaultDomain: found.FaultDomain,
		Shape: found.Shape, ImageID: found.ImageID, Reason: "the machine's instance was found here",
	}
	return nil
}

// search returns nil if there is no live instance in the accounts that could be looked at.
func (r *Reconciler) search(ctx context.Context, s *scope) (*located, error) {
	if account := s.own.Status.Placement.Account; account != "" {
		in, err := r.account(ctx, account)
		if err != nil {
			return nil, err
		}
		own, err := r.seenIn(s, in)
		if err != nil {
			return nil, err
		}
		return pickLocated(s.claimed(locate(own, account)))
	}
	candidates, err := r.candidates(ctx, s)
	if err != nil {
		return nil, err
	}
	var all []located
	for _, c := range candidates {
		if s.own.Spec.ProviderID == "" && !s.statusWasLost() && r.passesOver(s, c.OCIAccount) {
			continue
		}
		own, err := r.seenBy(s, c)
		if err != nil {
			return nil, err
		}
		all = append(all, s.claimed(locate(own, c.Name))...)
		if s.own.Spec.ProviderID != "" && len(all) > 0 {
			// There is one instance of an OCID: what other accounts answer does not matter.
			break
		}
	}
	return pickLocated(all)
}

// claimed leaves out what is not the instance that a providerID names: the Node has that one.
func (s *scope) claimed(found []located) []located {
	if s.own.Spec.ProviderID == "" {
		return found
	}
	return slices.DeleteFunc(found, func(l located) bool { return providerIDPrefix+l.ID != s.own.Spec.ProviderID })
}

// passesOver tells whether a machine of which nothing is known is not looked for in an account: it
// cannot have been placed there, or the account is known not to answer and would keep every new
// machine from being placed elsewhere.
func (r *Reconciler) passesOver(s *scope, account *infrav1.OCIAccount) bool {
	selected, err := scheduling.Selects(s.own.Spec.Accounts, account)
	return (err == nil && !selected) || !isReady(account) || !r.Pollers.Book(account).Answering(s.now)
}

func locate(own []instance.Own, account string) []located {
	out := make([]located, 0, len(own))
	for _, found := range own {
		out = append(out, located{Own: found, account: account})
	}
	return out
}

// pickLocated returns the one live instance of all accounts.
func pickLocated(all []located) (*located, error) {
	instances := make([]instance.Own, 0, len(all))
	accounts := map[string]string{}
	for _, found := range all {
		instances = append(instances, found.Own)
		accounts[found.ID] = found.account
	}
	live, found, err := instance.Live(instances)
	if err != nil || !found {
		return nil, err
	}
	return &located{Own: live, account: accounts[live.ID]}, nil
}
