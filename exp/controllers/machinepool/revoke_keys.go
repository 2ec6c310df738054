// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// revokeKeys comes first: nobody is to join any more.
func (r *Reconciler) revokeKeys(ctx context.Context, s *scope) error {
	if s.joins == nil {
		return nil
	}
	if err := tailnetnode.RevokeKeys(ctx, s.joins, s.owner, time.Now(), ""); err != nil {
		return err
	}
	return r.deleteKeySecret(ctx, s)
}
