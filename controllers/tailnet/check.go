// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// check tries out all that machines will need once in a while, since it makes keys; in between it
// asks whether the server still answers.
func (r *Reconciler) check(ctx context.Context, s *scope) error {
	if s.client == nil {
		return nil
	}
	uid, spec := s.tailnet.UID, tailnet.CheckSpec{ApproveRoutes: s.tailnet.Spec.RouteApproval == infrav1.RouteApprovalProvider}
	full := !r.passed.fresh(uid, s.client, r.Options.withDefaults().CheckInterval)
	if full {
		spec.TagSets = [][]string{s.tailnet.Spec.NodeTags, s.tailnet.Spec.ControlPlaneTags}
	}
	err := s.client.Check(ctx, spec)
	s.checked, s.problem = true, access.AsProblem(err)
	switch {
	case err != nil:
		r.passed.forget(uid)
	case full:
		s.full = true
		r.passed.put(uid, s.client)
	}
	return ctx.Err()
}
