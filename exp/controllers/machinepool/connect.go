// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"

	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
)

// connect finds the account and its client.
func (r *Reconciler) connect(ctx context.Context, s *scope) error {
	s.own.Status.InfrastructureMachineKind = poolid.MachineKind
	account, err := r.Access.Account(ctx, s.own.Spec.Account, s.own.Namespace)
	if err != nil {
		return err
	}
	if conditions.IsFalse(account, infrav1.ReadyCondition) {
		return access.NewProblem(infrav1.AccountNotReadyReason, "OCIAccount %s is not ready: %s", account.Name, access.NotReady(account))
	}
	s.account, s.cache = account, r.Pollers.Cache(account)
	s.client, err = r.Access.OCI(ctx, account)
	return err
}

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
