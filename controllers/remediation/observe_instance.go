// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"context"
	"fmt"

	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// observeInstance asks OCI for the instance, rather than polls: an action goes by its present
// state. It proves that the instance is the machine's. An account without an answer proves nothing,
// and nothing is done then.
func (r *Reconciler) observeInstance(ctx context.Context, s *scope) error {
	if s.lost != "" {
		return nil
	}
	if s.infra.Status.Instance.ID == "" {
		s.withoutInstance()
		return nil
	}
	account, err := r.Access.AccountOf(ctx, s.infra.Status.Placement.Account, "machine")
	if err != nil {
		return phases.Unseen(err)
	}
	if s.client, err = r.Access.OCI(ctx, account); err != nil {
		return phases.Unseen(err)
	}
	s.cache = r.Pollers.Cache(account)
	seen, exists, err := instance.Observe(ctx, s.client, s.infra.Status.Instance.ID)
	switch {
	case err != nil:
		return phases.Unseen(err)
	case !exists:
		s.state, s.lost = oci.StateTerminated, "the instance is gone"
		return nil
	}
	s.state, s.launched = seen.State, seen.CreatedAt
	if seen.State.IsEnding() {
		s.lost = fmt.Sprintf("the instance is %s", seen.State)
		return nil
	}
	r.prove(s, seen)
	return nil
}

// withoutInstance judges a machine whose status knows no instance. One with a providerID had one: a
// move or a restore takes no status along, and the machine's own controller looks for it. That one
// says so once all accounts have answered and none has it.
func (s *scope) withoutInstance() {
	if s.infra.Spec.ProviderID == "" || conditions.GetReason(s.infra, infrav1.InstanceReadyCondition) == infrav1.InstanceNotOwnedReason {
		s.lost = "the machine has no instance"
		return
	}
	s.WaitFor(s.Intervals.WithDefaults().Poll, infrav1.RemediatedCondition, infrav1.WaitingReason,
		"Waiting for the machine's instance to be found again, since its status does not have it")
}

// prove proves that the instance is the machine's, and that no other management cluster minds. The
// machine's own controller is the one that lays claims.
func (r *Reconciler) prove(s *scope, seen oci.Instance) {
	const remediated = infrav1.RemediatedCondition
	holder := r.Claims.Holder(s.infra, s.infra.Status.Claim, seen.ID, s.now, 0)
	switch judgement := identity.OfMachine(s.infra).HeldBy(holder).Judge(seen.ID, seen.Tags); judgement.Outcome {
	case ownership.Ours:
		s.proof = judgement.Proof
	case ownership.Foreign:
		// A recorded instance needs no tags.
		s.proof = ownership.Recorded(s.infra.Status.Instance.ID)
	case ownership.Elsewhere:
		s.WaitFor(s.Intervals.WithDefaults().Poll, remediated, infrav1.HeldElsewhereReason,
			"%s", "Instance "+judgement.Found.Elsewhere(seen.ID))
	default:
		s.WaitFor(s.Intervals.WithDefaults().Progress, remediated, infrav1.ClaimingReason,
			"Waiting until the instance is claimed from management cluster %s", judgement.Found.Holder)
	}
}
