// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// connect builds the client from the credentials.
func (r *Reconciler) connect(ctx context.Context, s *scope) error {
	client, err := r.Clients.OCI(ctx, s.account)
	if err != nil {
		s.credentials = access.AsProblem(err)
		if s.credentials.Reason == infrav1.InternalErrorReason {
			return err
		}
		return nil
	}
	s.client = client
	return nil
}
