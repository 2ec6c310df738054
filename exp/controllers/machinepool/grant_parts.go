// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
)

// grantParts decides what instances to come are made of. OCI launches missing ones and those in the
// place of lost ones without a question. So the account's budget is asked for all of them before
// OCI is told of larger ones, and until it has room they are made of what was granted before. The
// larger of both counts until OCI is told; takePartsOver ends that.
func (r *Reconciler) grantParts(ctx context.Context, s *scope) error {
	recorded := s.own.Status.Granted
	s.recoverParts()
	wanted, before := partsOf(s.own.Spec), grantedOf(s.own)
	s.parts = wanted
	if equality.Semantic.DeepEqual(wanted, before) {
		return nil
	}
	pool := reservation(s.own)
	pool.Size = 0
	if s.found != nil {
		pool.Size = s.found.Size
	}
	refusal, err := r.Scheduler.Reshape(ctx, pool, machineSpecOf(s.own.Spec))
	switch {
	case err != nil:
		return err
	case refusal != nil:
		s.parts = before
		s.Note(expv1.ConfigurationReadyCondition, refusal.Reason, "%s", refusal.Message)
		s.Requeue(refusal.RetryAfter)
		return nil
	}
	return r.budget().reserveParts(ctx, s, recorded, expv1.GrantedStatus(wanted.covering(before)))
}

// reserveParts writes down what OCI is about to be told, so that a process that is begun in between
// counts it.
func (b budget) reserveParts(ctx context.Context, s *scope, recorded, granted expv1.GrantedStatus) error {
	if equality.Semantic.DeepEqual(recorded, granted) {
		return nil
	}
	before := s.own.DeepCopy()
	before.Status.Granted = recorded
	reserved := before.DeepCopy()
	reserved.Status.Granted = granted
	if err := b.client.Status().Patch(ctx, reserved, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("reserving room for instances of another size: %w", err)
	}
	s.own.Status.Granted = granted
	return nil
}

// recoverParts finds out what was granted where there is no record: after a move, a restore, or a
// release that wrote none. The pool's own instances show it: if none of them is as the spec wants
// it, the spec has changed since.
func (s *scope) recoverParts() {
	if s.own.Status.Granted.Shape.Name != "" {
		return
	}
	granted := partsOf(s.own.Spec)
	for _, instance := range s.live {
		granted.Shape = shapeSeen(s.own.Spec.Shape, instance)
		if granted.Shape == s.own.Spec.Shape {
			break
		}
	}
	s.own.Status.Granted = expv1.GrantedStatus(granted)
}
