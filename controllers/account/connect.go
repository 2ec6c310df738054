// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
)

// connect builds the client from the credentials.
func (r *Reconciler) connect(ctx context.Context, s *scope) (err error) {
	s.client, err = r.Clients.OCI(ctx, s.account)
	return err
}
