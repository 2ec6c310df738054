// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
)

// connect builds the client from the credentials.
func (r *Reconciler) connect(ctx context.Context, s *scope) (err error) {
	s.client, err = r.Clients.TailnetClient(ctx, s.tailnet)
	return err
}
