// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"

	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// connect finds the account, whatever its state and whomever it allows, if the machine is known to
// be there. Without one nothing was ever proven of the machine.
func (r *Reconciler) connect(ctx context.Context, s *scope) error {
	name := s.accountName()
	if name == "" {
		return nil
	}
	account, err := r.Access.AccountOf(ctx, name, "machine")
	if err != nil {
		return err
	}
	s.account, s.cache = account, r.Pollers.Cache(account)
	if stranger, err := r.isStranger(ctx, s); err != nil || stranger {
		return err
	}
	s.client, err = r.Access.OCI(ctx, account)
	return err
}

// isStranger tells whether the account does not allow the namespace, and nothing says the machine
// is in it: no call is made for it. A deletion goes by the account's polls anyway.
func (r *Reconciler) isStranger(ctx context.Context, s *scope) (bool, error) {
	if s.own.Status.Account != "" {
		return false, nil
	}
	allowed, err := r.Access.MayUseAccount(ctx, s.account, s.own.Namespace)
	if err != nil || allowed {
		return false, err
	}
	if s.own.DeletionTimestamp.IsZero() {
		_, err := r.Access.Account(ctx, s.account.Name, s.own.Namespace)
		return true, err
	}
	if seen, known := s.cache.Instance(s.instanceID); known {
		_, proven := s.prove(seen.ID, seen.Tags)
		return !proven, nil
	}
	if _, polled := s.cache.Age(s.now); !polled && conditions.IsTrue(s.account, infrav1.ReadyCondition) {
		return true, access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for account %s to be polled", s.account.Name)
	}
	return true, nil
}
