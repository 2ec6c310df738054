// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/instances"
)

// holdToEnd lets a deletion go on once this management cluster may end the instance. An instance of
// another one is left, with its device: this object then stands for nothing.
func (h holding) holdToEnd(ctx context.Context, s *scope) error {
	name := s.own.Status.Placement.Account
	if h.claims == nil || name == "" {
		return nil
	}
	if s.own.Status.Instance.ID == "" {
		// It is not recorded what was launched: it may be another management cluster's instance.
		placed, err := h.finder.Access.AccountOf(ctx, name, "machine")
		if err != nil {
			return access.NotProvenGone(err)
		}
		shown := h.finder.KnownIn(s.target(), placed)
		if len(shown) == 0 {
			return nil
		}
		s.recordInstance(instances.Located{Own: shown[0], Account: placed})
	}
	in, err := h.finder.Connect(ctx, name)
	if err != nil {
		return access.NotProvenGone(err)
	}
	seen, exists, err := sight(ctx, in, s.own.Status.Instance.ID, h.holder(s))
	switch {
	case err != nil:
		return access.NotProvenGone(err)
	case !exists || seen.State == oci.StateTerminated:
		return nil
	}
	standing, err := h.stand(ctx, s, in, seen)
	switch {
	case err != nil:
		return access.NotProvenGone(fmt.Errorf("account %s: %w", name, err))
	case standing.Elsewhere:
		return h.leaveElsewhere(ctx, s, seen.ID, standing.Claim)
	case !standing.Settled:
		s.Deletion = access.NewProblem(infrav1.ClaimingReason, "Instance %s was claimed from another management cluster, which may contest that for %s: "+
			"the deletion waits until then", seen.ID, h.claims.Window())
		s.Stop()
		s.Requeue(min(s.Intervals.Progress, h.claims.Window()))
	}
	return nil
}

// leaveElsewhere lets the object go and ends nothing.
func (h holding) leaveElsewhere(ctx context.Context, s *scope, id string, claim ownership.Claim) error {
	if err := s.key.Load(ctx); err != nil {
		return err
	}
	if s.key.Exists {
		if err := s.key.DeleteSecret(ctx); err != nil {
			return err
		}
	}
	claims.Left(s.recorder, s.own, claim, "Instance "+id)
	ctrl.LoggerFrom(ctx).Info("Left the instance to the management cluster that holds it", "instance", id, "holder", claim.Holder)
	h.claims.Forget(id)
	s.released = true
	s.Stop()
	return nil
}
