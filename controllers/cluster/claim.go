// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
)

// holder is this management cluster, for a network or the load balancer in an account.
func (r *Reconciler) holder(s *scope, account string, status infrav1.ClaimStatus, id string) ownership.Holder {
	holder := r.Claims.Holder(s.infra, status, id, time.Now(), s.options.UnseenInterval)
	if s.machinesTell(account) {
		holder.Looks = s.options.NetworkInterval
	}
	return holder
}

// machinesTell tells whether polls of machines would have shown another's claim to what the cluster
// has in the account. After a time without OCI they have not, and once a machine there was left to
// another management cluster the rest is that one's too: it is not claimed back.
func (s *scope) machinesTell(account string) bool {
	polled := false
	for i := range s.machines {
		machine := &s.machines[i]
		if in := machine.Status.Placement.Account; in != "" && in != account {
			continue
		}
		if machine.Status.Claim.State.IsElsewhere() {
			return false
		}
		polled = polled || isPolled(machine)
	}
	return polled
}

// nextClaim is the status that follows from what was decided about something at the time.
func (r *Reconciler) nextClaim(
	s *scope, holder ownership.Holder, judgement *ownership.Judgement, id string, began time.Time,
) infrav1.ClaimStatus {
	if judgement == nil {
		return holder.Status
	}
	claims.Tell(r.Recorder, s.infra, *judgement, id)
	return r.Claims.Next(holder, *judgement, id, began)
}

// isClaiming tells whether something is on its way from another management cluster.
func isClaiming(judgement *ownership.Judgement) bool {
	return judgement != nil && (judgement.Outcome == ownership.Taken || judgement.Outcome == ownership.Contested)
}

// waitsForClaim is what a deletion waits for after something was claimed from another management
// cluster.
func (r *Reconciler) waitsForClaim(what string) *access.Problem {
	return access.NewProblem(infrav1.ClaimingReason, "%s was claimed from another management cluster, which may contest that for %s: the deletion waits until then",
		what, r.Claims.Window())
}
