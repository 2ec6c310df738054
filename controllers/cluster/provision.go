// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"slices"

	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// provision says, once, that machines may be made: the endpoint and the tailnet are there, at least
// one account for control planes is ready, and no account is about to be. An account in error is
// not waited for.
func provision(_ context.Context, s *scope) error {
	_, noTailnet := s.Noted(infrav1.TailnetReadyCondition)
	_, noEndpoint := s.Noted(infrav1.EndpointReadyCondition)
	if isProvisioned(s.infra) || noTailnet || noEndpoint || !s.infra.Spec.ControlPlaneEndpoint.IsValid() ||
		slices.ContainsFunc(s.accounts, (*accountState).inProgress) ||
		!slices.ContainsFunc(s.accounts, func(a *accountState) bool { return a.ready() && a.controlPlane() }) {
		return nil
	}
	s.infra.Status.Initialization.Provisioned = ptr.To(true)
	return nil
}

// isProvisioned tells whether machines may be made.
func isProvisioned(infra *infrav1.OCIMeshCluster) bool {
	return ptr.Deref(infra.Status.Initialization.Provisioned, false)
}
