// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// recoverStatus is for a deletion of a machine of which nothing is recorded. It was never launched,
// unless status was lost; so it is looked for where accounts answer, and one that is known not to
// does not hold up the deletion unless a key or a providerID says otherwise. What is found is
// recorded, and ended by the phases after this one.
func (r *Reconciler) recoverStatus(ctx context.Context, s *scope) error {
	if s.own.Status.Placement.Account != "" {
		return nil
	}
	if err := r.loadKey(ctx, s); err != nil {
		return err
	}
	candidates, err := r.candidates(ctx, s)
	if err != nil {
		return waitingForAccount(err)
	}
	id := cloud.InstanceIDOf(s.own.Spec.ProviderID)
	if len(candidates) == 0 && id != "" {
		return waitingForAccount(access.NewProblem(infrav1.AccountNotFoundReason,
			"No OCIAccount is left that may hold instance %s: create its account again", id))
	}
	var silent error
	for _, c := range candidates {
		if !isReady(c.OCIAccount) && id == "" && !s.statusWasLost() {
			continue
		}
		if _, err := r.seenBy(s, c); err != nil {
			silent = fmt.Errorf("account %s: %w", c.Name, err)
			continue
		}
		if found, ok := r.shownEver(s, c); ok {
			ctrl.LoggerFrom(ctx).Info("Found the machine's instance again", "instance", found.ID, "Account", found.account)
			return r.remember(ctx, s, found)
		}
	}
	if silent != nil {
		return waitingForAccount(silent)
	}
	if id != "" {
		ctrl.LoggerFrom(ctx).Info("No account has an instance with the machine's tags; what providerID names is left alone", "instance", id)
	}
	return nil
}

// shownEver is an instance of the machine's in an account, as far as polls show them: one that is
// not TERMINATED, else the one of the providerID, whose end is evidence too.
func (r *Reconciler) shownEver(s *scope, c candidate) (located, bool) {
	if remaining := r.shownIn(s, c.OCIAccount); len(remaining) > 0 {
		return located{Own: remaining[0], account: c.Name}, true
	}
	for _, own := range instance.Of(s.anybodys(), r.Pollers.Book(c.OCIAccount).Tagged(s.identity)) {
		if cloud.ProviderID(own.ID) == s.own.Spec.ProviderID {
			return located{Own: own, account: c.Name}, true
		}
	}
	return located{}, false
}
