// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"

	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// leaveTailnet removes the recorded device, or one proven by the instance as polls show it.
func (r *Reconciler) leaveTailnet(ctx context.Context, s *scope) error {
	if s.joins == nil {
		return nil
	}
	instance := s.instance
	if seen, known := s.cache.Instance(s.instanceID); instance == nil && known {
		instance = &seen.Instance
	}
	claim := r.claim(s, instance)
	of := tailnetnode.Claimant{Object: s.own, Tailnet: s.tailnet.Name}
	found, err := r.Devices.FindToRemove(ctx, s.joins, of, claim, s.Intervals.Progress)
	if err != nil {
		return err
	}
	return tailnetnode.Leave(ctx, s.joins, found, r.Recorder, s.own)
}
