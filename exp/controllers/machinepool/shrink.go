// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
)

// shrink makes the pool smaller. It asks for nothing that only instances to come need: an image
// that is gone or a network that is not ready is no reason to pay for instances that nobody wants.
// Fewer instances are not OCI's to choose: the Machines that are to go are deleted, so that their
// nodes are drained, and each takes its instance out of the pool (Cluster API's proposal
// 20220209-machinepool-machines). Only places that no instance has taken are given back at once.
func (r *Reconciler) shrink(ctx context.Context, s *scope) error {
	if s.found == nil || s.unsettled || s.external() || s.found.Size <= s.wanted() {
		return nil
	}
	wanted := s.wanted()
	if s.found.Size > len(s.live) {
		// What polls show is some time old, and OCI would end an instance that it does not show.
		members, err := s.client.PoolInstances(ctx, s.found.ID)
		if err != nil {
			return err
		}
		if to := max(wanted, len(members)); to < s.found.Size {
			if err := s.resize(ctx, to); err != nil {
				return err
			}
		}
	}
	// An instance that somebody took out of the pool still has its tag. It is no reason to end
	// another one.
	if err := r.deleteSurplus(ctx, s, min(len(s.live), s.found.Size)-wanted); err != nil {
		return err
	}
	if s.found.Size == wanted {
		return nil
	}
	return s.settled(ctx, wanted)
}
