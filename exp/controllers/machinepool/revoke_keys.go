// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
)

// revokeKeys comes first of what a deletion takes away: nobody is to join any more.
func (r *Reconciler) revokeKeys(ctx context.Context, s *scope) error {
	if s.joins == nil {
		return nil
	}
	ring := r.keyring(s)
	if err := ring.revokeBut(ctx, ""); err != nil {
		return err
	}
	return ring.forget(ctx)
}
