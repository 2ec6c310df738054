// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
)

func (r *Reconciler) ownSecret(ctx context.Context, s *scope) error {
	if !s.tailnet.DeletionTimestamp.IsZero() {
		return nil
	}
	return r.Clients.OwnSecret(ctx, s.tailnet, s.tailnet.Spec.Credentials.SecretRef)
}
