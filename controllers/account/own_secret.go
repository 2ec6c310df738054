// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
)

func (r *Reconciler) ownSecret(ctx context.Context, s *scope) error {
	if !s.account.DeletionTimestamp.IsZero() {
		return nil
	}
	return r.Clients.OwnSecret(ctx, s.account, s.account.Spec.Credentials.SecretRef)
}
