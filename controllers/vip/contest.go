// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package vip

import (
	"cmp"
	"net/netip"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// Contenders are the other Tailnets of the same network whose vipRange has addresses in common with
// this one's: each has a list of its own, so that both would give out one address.
func Contenders(tn *infrav1.Tailnet, all []infrav1.Tailnet) []infrav1.Tailnet {
	vips, err := netip.ParsePrefix(tn.Spec.VIPRange)
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(all), func(other infrav1.Tailnet) bool {
		theirs, err := netip.ParsePrefix(other.Spec.VIPRange)
		return err != nil || !theirs.Overlaps(vips) || other.Name == tn.Name || !tailnetnode.OneTailnet(tn, &other)
	})
}

// Elder is the first contender that was there before the Tailnet; nil if there is none. The elder
// one goes on to give addresses out, and the younger one gives none. Times of creation have whole
// seconds: within one, who has given addresses out already comes first.
func Elder(tn *infrav1.Tailnet, contenders []infrav1.Tailnet) *infrav1.Tailnet {
	gives := func(of *infrav1.Tailnet) int {
		if len(of.Status.VIPAllocations) > 0 {
			return 0
		}
		return 1
	}
	for i := range contenders {
		other := &contenders[i]
		if cmp.Or(other.CreationTimestamp.Compare(tn.CreationTimestamp.Time), cmp.Compare(gives(other), gives(tn)), cmp.Compare(other.UID, tn.UID)) < 0 {
			return other
		}
	}
	return nil
}

// Contested says why a Tailnet gives no addresses, to readers of a cluster: that there is another
// Tailnet is told, and on the Tailnet itself which one. Nil if it gives them.
func Contested(tn *infrav1.Tailnet, contenders []infrav1.Tailnet) *access.Problem {
	if Elder(tn, contenders) == nil {
		return nil
	}
	return access.NewProblem(infrav1.VIPRangeOverlapReason,
		"The vipRange %s of Tailnet %s overlaps that of an older Tailnet object of the same network, so that it gives no addresses: "+
			"see its condition %s, or use endpointType External or a load balancer", tn.Spec.VIPRange, tn.Name, infrav1.RangesDistinctCondition)
}

// HeldIn tells whether a cluster of one of the Tailnets holds the address.
func HeldIn(tailnets []infrav1.Tailnet, address string) bool {
	return slices.ContainsFunc(tailnets, func(tn infrav1.Tailnet) bool {
		return slices.ContainsFunc(tn.Status.VIPAllocations, func(held infrav1.VIPAllocation) bool { return held.Address == address })
	})
}
