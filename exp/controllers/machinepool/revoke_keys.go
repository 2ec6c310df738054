// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// revokeKeys comes first: nobody is to join any more.
func (r *Reconciler) revokeKeys(ctx context.Context, s *scope) error {
	if s.joins == nil {
		return nil
	}
	if err := endKeys(ctx, s); err != nil {
		return err
	}
	return r.deleteKeySecret(ctx, s)
}

// endKeys revokes all keys of the pool: by their description, or, where the server keeps none, the
// one that status has recorded. A replaced one ends there within its day.
func endKeys(ctx context.Context, s *scope) error {
	if err := tailnetnode.RevokeKeys(ctx, s.joins, s.owner, time.Now(), ""); err != nil {
		return err
	}
	recorded := ownership.Recorded(s.own.Status.Configuration.KeyID)
	if s.joins.DescribesKeys() || recorded.IsZero() {
		return nil
	}
	return s.joins.RevokeKey(ctx, recorded)
}
