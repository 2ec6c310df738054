// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
)

// takePartsOver records what OCI makes instances of from now on.
func (r *Reconciler) takePartsOver(_ context.Context, s *scope) error {
	if !s.idle() && s.found != nil && s.found.ConfigurationID == s.own.Status.Configuration.ID {
		s.own.Status.Granted = expv1.GrantedStatus(s.parts)
	}
	return nil
}
