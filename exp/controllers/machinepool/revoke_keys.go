// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// revokeKeys comes first of what a deletion takes away: nobody is to join any more.
func (r *Reconciler) revokeKeys(ctx context.Context, s *scope) error {
	if s.joins == nil {
		return nil
	}
	ring := r.keyring(s)
	if err := ring.end(ctx, s); err != nil {
		return err
	}
	return ring.DeleteSecret(ctx)
}

// end revokes all keys of the pool: by their description, or, where the server keeps none, the one
// that status has recorded. A replaced one ends there within its day.
func (k *keyring) end(ctx context.Context, s *scope) error {
	if err := k.revokeBut(ctx, ""); err != nil {
		return err
	}
	recorded := ownership.Recorded(s.own.Status.Configuration.KeyID)
	if k.joins.DescribesKeys() || recorded.IsZero() {
		return nil
	}
	return k.joins.RevokeKey(ctx, recorded)
}
