// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"fmt"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/vip"
)

// compareRanges compares the vipRange with those of other Tailnet objects of the same network, and
// with the ranges of clusters that have machines: the range can be set at any time. The
// younger of two Tailnets, and one whose range is taken, give no addresses; clusters keep those
// that they have.
func (r *Reconciler) compareRanges(ctx context.Context, s *scope) error {
	all := &infrav1.TailnetList{}
	if err := r.Client.List(ctx, all); err != nil {
		return fmt.Errorf("listing Tailnets: %w", err)
	}
	if elder := vip.Elder(s.tailnet, vip.Contenders(s.tailnet, all.Items)); elder != nil {
		s.Note(infrav1.RangesDistinctCondition, infrav1.VIPRangeOverlapReason,
			"The vipRange %s overlaps %s of Tailnet %s, which is older and of the same network: one address could become two clusters', so that "+
				"this object gives none; delete it and make it again with another vipRange, or delete the other one if nothing uses it",
			s.tailnet.Spec.VIPRange, elder.Spec.VIPRange, elder.Name)
		return nil
	}
	if s.occupied != "" {
		s.Note(infrav1.RangesDistinctCondition, infrav1.VIPRangeOverlapReason,
			"The vipRange %s overlaps %s, which has machines: a virtual address would take traffic from it, so that none is given out; "+
				"use another Tailnet object with another vipRange for clusters with endpointType TailnetVIP", s.tailnet.Spec.VIPRange, s.occupied)
	}
	return nil
}
