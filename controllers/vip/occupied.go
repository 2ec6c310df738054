// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package vip

import (
	"net/netip"

	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// Occupied names a range of the cluster that has addresses of the vipRange: pods or services, as
// its nodes hold them. Empty if there is none, or while the cluster has no machines: those are
// refused where they would take ranges of others. VCNs do not count: they are nobody's but the
// cluster's, and a user who adds an account could close the vipRange to all others.
func Occupied(vipRange string, infra *infrav1.OCIMeshCluster) string {
	vips, err := netip.ParsePrefix(vipRange)
	if err != nil || !ptr.Deref(infra.Status.Initialization.Provisioned, false) {
		return ""
	}
	first := func(what string, blocks []string) string {
		for _, block := range blocks {
			if prefix, err := netip.ParsePrefix(block); err == nil && prefix.Overlaps(vips) {
				return what + " " + block
			}
		}
		return ""
	}
	if found := first("the pod range", infra.Status.Ranges.Pods); found != "" {
		return found
	}
	return first("the service range", infra.Status.Ranges.Services)
}
