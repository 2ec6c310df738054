// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// leaveTailnet removes the device that is recorded, or proven by the instance as polls show it.
func (r *Reconciler) leaveTailnet(ctx context.Context, s *scope) error {
	if s.joins == nil {
		return nil
	}
	instance := s.instance
	if seen, known := s.book.Instance(s.instanceID); instance == nil && known {
		instance = &seen.Instance
	}
	claim := r.claim(s, instance)
	list, err := s.joins.RecentDevices(ctx, s.Intervals.Progress)
	if err != nil {
		return err
	}
	found, err := r.statuses().Find(ctx, s.joins, list, s.claimant(), claim)
	if err != nil {
		return err
	}
	if claim.Recorded != "" {
		// Also if the list does not show it: that may be older than the device.
		found.Proof = ownership.Recorded(s.own.Status.Tailnet.DeviceID)
	}
	return tailnetnode.Leave(ctx, s.joins, found, r.Recorder, s.own)
}
