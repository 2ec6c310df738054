// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"slices"

	"k8s.io/utils/ptr"
)

// provision says, once, that machines may be made: the endpoint and the tailnet are there, at least
// one account for control planes is ready, and no account is about to be. An account in error is
// not waited for.
func provision(_ context.Context, s *scope) error {
	done := ptr.Deref(s.infra.Status.Initialization.Provisioned, false)
	if done || s.tailnetProblem != nil || s.endpointProblem != nil || !s.infra.Spec.ControlPlaneEndpoint.IsValid() ||
		slices.ContainsFunc(s.accounts, (*accountState).inProgress) ||
		!slices.ContainsFunc(s.accounts, func(a *accountState) bool { return a.ready() && a.controlPlane() }) {
		return nil
	}
	s.infra.Status.Initialization.Provisioned = ptr.To(true)
	return nil
}
