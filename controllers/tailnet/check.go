// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// check tries out all that machines will need once in a while, since it makes keys; in between it
// asks whether the server still answers.
func (r *Reconciler) check(ctx context.Context, s *scope) error {
	uid := s.tailnet.UID
	full := !r.lastChecks.isFresh(uid, s.client, r.Options.withDefaults().CheckInterval)
	if err := s.client.Check(ctx, checkSpec(s, full)); err != nil {
		r.lastChecks.forget(uid)
		return err
	}
	s.checked, s.full = true, full
	if full {
		r.lastChecks.record(uid, s.client)
	}
	return nil
}

func checkSpec(s *scope, full bool) tailnet.CheckSpec {
	spec := tailnet.CheckSpec{ApproveRoutes: s.tailnet.Spec.RouteApproval.ByProvider()}
	if full {
		spec.TagSets = [][]string{s.tailnet.Spec.NodeTags, s.tailnet.Spec.ControlPlaneTags}
	}
	return spec
}
