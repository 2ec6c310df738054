// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
)

// connectToDelete finds account and tailnet, whatever their state. Without them nothing can be
// proven gone.
func (r *Reconciler) connectToDelete(ctx context.Context, s *scope) error {
	account, err := r.Access.AccountOf(ctx, s.own.Spec.Account, "machine pool")
	if err != nil {
		return err
	}
	if !s.isRecorded() {
		if err := r.Access.MayLookInAccount(ctx, account, s.own.Namespace); err != nil {
			return err
		}
	}
	s.account, s.cache = account, r.Pollers.Cache(account)
	if s.client, err = r.Access.OCI(ctx, account); err != nil {
		return err
	}
	if s.infraCluster == nil {
		// What is in OCI ends all the same.
		return nil
	}
	if s.tailnet, err = r.Access.TailnetOf(ctx, s.infraCluster.Spec.TailnetRef.Name); err != nil {
		return err
	}
	if !s.isRecorded() {
		if err := r.Access.MayLookInTailnet(ctx, s.tailnet, s.own.Namespace); err != nil {
			return err
		}
	}
	s.joins, err = r.Access.TailnetClient(ctx, s.tailnet)
	return err
}

// isRecorded tells whether status says that there is, or was, something of the pool. Users can
// write all else.
func (s *scope) isRecorded() bool {
	return s.own.Status.Pool.Attempt != 0 || s.own.Status.Configuration.ID != ""
}
