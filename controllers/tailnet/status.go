// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// owned are the conditions that this controller writes.
var owned = report.Types(infrav1.CredentialsValidCondition, infrav1.PolicyReadyCondition, infrav1.StraysAbsentCondition,
	infrav1.RangesDistinctCondition, infrav1.DeletingCondition)

// awayMeans is what works without the coordination server, and what does not.
const awayMeans = "Machines that run go on, and none is repaired or replaced for it; until it answers no machine joins or leaves, " +
	"no route is approved, and no virtual address moves for those outside its cluster"

// uncachedMeans is what a policy without the attribute costs.
const uncachedMeans = "Without cache-network-maps a node that restarts while the coordination server is away has no address until it is back"

// maxUsers is the API's limit.
const maxUsers = 64

// updateStatus writes what the phases found out. The list of addresses is not touched: see package
// vip.
func (r *Reconciler) updateStatus(s *scope) {
	if s.users != nil {
		s.tailnet.Status.Users = s.users[:min(maxUsers, len(s.users))]
	}
	// A stray keeps nothing from working: it is no part of Ready.
	r.updateStrays(s)
	// An overlap keeps only new addresses from being given out: clusters tell it by EndpointReady.
	conditions.Set(s.tailnet, s.Found(infrav1.RangesDistinctCondition, func() metav1.Condition {
		return report.OK(infrav1.RangesDistinctCondition)
	}))
	credentials := s.Found(infrav1.CredentialsValidCondition, s.credentialsValid)
	s.updateAvailability(credentials.Reason == infrav1.UnavailableReason)
	counting := []metav1.Condition{report.Deleting(s.tailnet, s.Deletion), s.away(credentials)}
	// What the policy lacks may be of no use here. Machines that can reach nobody are.
	policy := s.policyReady()
	conditions.Set(s.tailnet, policy)
	if policy.Reason == infrav1.NodesUnreachableReason {
		counting = append(counting, policy)
	}
	report.Set(s.tailnet, counting...)
}

// credentialsValid leaves the condition as it is if the pass did not get to the check.
func (s *scope) credentialsValid() metav1.Condition {
	if s.checked {
		return report.OK(infrav1.CredentialsValidCondition)
	}
	if known := conditions.Get(s.tailnet, infrav1.CredentialsValidCondition); known != nil {
		return *known
	}
	return report.Unknown(infrav1.CredentialsValidCondition, infrav1.WaitingReason, "Waiting for the first check of the tailnet")
}

// updateAvailability notes when the coordination server goes away and comes back. A condition's
// time does not tell it: that stays if credentials are refused before the outage, or after it.
// Without usable credentials nobody has asked.
func (s *scope) updateAvailability(away bool) {
	status := &s.tailnet.Status
	switch now := metav1.Now().Rfc3339Copy(); {
	case away && status.UnavailableSince.IsZero():
		status.UnavailableSince, status.AvailableSince = now, metav1.Time{}
	case !away && s.client != nil && !status.UnavailableSince.IsZero():
		status.UnavailableSince, status.AvailableSince = metav1.Time{}, now
	}
}

// away says since when the coordination server does not answer, and what that means for machines.
func (s *scope) away(condition metav1.Condition) metav1.Condition {
	if condition.Reason == infrav1.UnavailableReason && !strings.Contains(condition.Message, awayMeans) {
		condition.Message = fmt.Sprintf("The coordination server has not answered since %s. %s. The last answer: %s",
			s.tailnet.Status.UnavailableSince.UTC().Format(time.RFC3339), awayMeans, condition.Message)
	}
	return condition
}

// policyReady leaves the condition as it is if the policy was not read.
func (s *scope) policyReady() metav1.Condition {
	if found, noted := s.Noted(infrav1.PolicyReadyCondition); noted {
		return found
	}
	known := conditions.Get(s.tailnet, infrav1.PolicyReadyCondition)
	switch {
	case s.policy == nil && known != nil:
		return *known
	case s.policy == nil:
		return report.Unknown(infrav1.PolicyReadyCondition, infrav1.WaitingReason, "Waiting for the first check of the tailnet's policy")
	case len(s.policy.Missing)+len(s.policy.Foreign) == 0:
		return report.OK(infrav1.PolicyReadyCondition)
	}
	reason, message := s.policyLacks()
	return report.NotOK(infrav1.PolicyReadyCondition, reason, message)
}

// policyLacks says what is wrong with the policy, the gravest first.
func (s *scope) policyLacks() (reason, message string) {
	foreign := "The policy's autoApprovers.routes let devices that must not have them take addresses of API servers or pods: " +
		strings.Join(s.policy.Foreign, ", ") + ". Take these out there, or name networks that have no part in ours"
	if len(s.policy.Missing) == 0 {
		return infrav1.ForeignApproversReason, foreign
	}
	reason, message = infrav1.PolicyIncompleteReason, "The tailnet's policy lacks some of what nodes need"
	if s.policy.Nobody {
		reason, message = infrav1.NodesUnreachableReason, "The tailnet's policy lets nodes reach no other node, so that no machine could join its cluster"
	}
	message += ". Add to " + strings.Join(s.policy.Missing, "; to ")
	if slices.ContainsFunc(s.policy.Missing, func(lack string) bool { return strings.HasPrefix(lack, "nodeAttrs: ") }) {
		message += ". " + uncachedMeans
	}
	if len(s.policy.Foreign) > 0 {
		message += ". " + foreign
	}
	return reason, message
}
