// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
)

// selectEndpoint selects the strategy for the endpoint type, before anything is made or removed: of
// an unknown type nobody knows what it needs.
func (r *Reconciler) selectEndpoint(_ context.Context, s *scope) (err error) {
	s.endpoint, err = r.endpointOf(s.infra.Spec.EndpointType)
	return err
}
