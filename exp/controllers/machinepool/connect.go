// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// connectToDelete finds account and tailnet, whatever their state. Without them nothing can be
// proven gone.
func (r *Reconciler) connectToDelete(ctx context.Context, s *scope) error {
	account := &infrav1.OCIAccount{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: s.own.Spec.Account}, account); err != nil {
		if apierrors.IsNotFound(err) {
			return access.NewProblem(infrav1.AccountNotFoundReason, "OCIAccount %s, which the machine pool is in, does not exist: create it again", s.own.Spec.Account)
		}
		return fmt.Errorf("reading OCIAccount %s: %w", s.own.Spec.Account, err)
	}
	if !s.isRecorded() {
		if err := r.Access.MayLookInAccount(ctx, account, s.own.Namespace); err != nil {
			return err
		}
	}
	s.account, s.book = account, r.Pollers.Book(account)
	var err error
	if s.client, err = r.Access.OCI(ctx, account); err != nil {
		return err
	}
	if s.infraCluster == nil {
		// What is in OCI ends all the same.
		return nil
	}
	s.tailnet = &infrav1.Tailnet{}
	name := s.infraCluster.Spec.TailnetRef.Name
	if err := r.Client.Get(ctx, client.ObjectKey{Name: name}, s.tailnet); err != nil {
		if apierrors.IsNotFound(err) {
			return access.NewProblem(infrav1.TailnetNotFoundReason, "Tailnet %s does not exist: create it again", name)
		}
		return fmt.Errorf("reading Tailnet %s: %w", name, err)
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
