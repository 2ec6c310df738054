// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"net/netip"
	"slices"

	"sigs.k8s.io/cluster-api/util/conditions"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// policy compares the tailnet's policy with what machines will need, before there are any: a server
// may give keys for tags that no rule knows, and the machine that joins with one reaches nobody. A
// server that does not show the policy is asked again with the next full check.
func (r *Reconciler) policy(ctx context.Context, s *scope) error {
	if !s.checked || !s.full && conditions.GetReason(s.tailnet, infrav1.PolicyReadyCondition) == infrav1.PolicyNotReadableReason {
		return nil
	}
	found, err := s.client.Policy(ctx, policyNeeds(s))
	reason := tailnet.ReasonOf(err)
	first := slices.Contains([]string{"", infrav1.WaitingReason}, conditions.GetReason(s.tailnet, infrav1.PolicyReadyCondition))
	switch {
	case err == nil:
		s.policy = &found
	case reason == tailnet.ReasonMissingScope, reason == tailnet.ReasonNotFound, reason == tailnet.ReasonNotControlServer && first:
		s.NoteUnknown(infrav1.PolicyReadyCondition, infrav1.PolicyNotReadableReason, "The server does not show its policy to these "+
			"credentials, so that nobody compares it with what nodes need: see docs/policies, or give an OAuth client the scope policy_file:read")
	case reason == tailnet.ReasonInvalidRequest:
		s.NoteUnknown(infrav1.PolicyReadyCondition, infrav1.PolicyNotReadableReason, "%s", cloud.UserMessage(err))
	default:
		// The condition stays as it is, and CredentialsValid tells of a server in trouble.
		ctrl.LoggerFrom(ctx).Info("Cannot read the tailnet's policy", "message", err.Error())
	}
	if s.policy != nil && s.policy.Nobody {
		s.Requeue(s.Intervals.Outside)
	}
	return nil
}

func policyNeeds(s *scope) tailnet.PolicyNeeds {
	spec := s.tailnet.Spec
	needs := tailnet.PolicyNeeds{
		NodeTags: spec.NodeTags, ControlPlaneTags: spec.ControlPlaneTags,
		Approves:  spec.RouteApproval.ByPolicy(),
		PodRanges: s.podRanges,
		VXLAN:     len(s.pods) == 0 || slices.Contains(s.pods, infrav1.PodNetworkVXLAN),
	}
	// The API allows no other values than a network and none.
	needs.VIPRange, _ = netip.ParsePrefix(spec.VIPRange)
	return needs
}
