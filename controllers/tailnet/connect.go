// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// connect builds the client from the credentials.
func (r *Reconciler) connect(ctx context.Context, s *scope) error {
	client, err := r.Clients.TailnetClient(ctx, s.tailnet)
	if err != nil {
		s.problem = access.AsProblem(err)
		if s.problem.Reason == infrav1.InternalErrorReason {
			return err
		}
		return nil
	}
	s.client = client
	return nil
}
