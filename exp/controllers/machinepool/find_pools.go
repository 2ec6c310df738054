// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"slices"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
)

// findPools finds the instance pools that have the tags, and the one that is recorded.
func (r *Reconciler) findPools(ctx context.Context, s *scope) error {
	listed, err := s.client.ListInstancePools(ctx, s.owner.Tags())
	if err != nil {
		return err
	}
	recorded := s.own.Status.Pool.ID
	if recorded != "" && !slices.ContainsFunc(listed, func(p oci.InstancePool) bool { return p.ID == recorded }) {
		pool, exists, err := poolid.Observe(ctx, s.client, recorded)
		if err != nil {
			return err
		}
		if exists {
			listed = append(listed, pool)
		}
	}
	for _, pool := range listed {
		if proof, proven := poolid.Prove(s.owner, ownership.Recorded(s.own.Status.Pool.ID), pool.ID, pool.Tags); proven {
			s.pools = append(s.pools, ownPool{pool, proof})
		}
	}
	return nil
}
