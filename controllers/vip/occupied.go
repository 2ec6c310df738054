// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package vip

import (
	"net/netip"

	"k8s.io/utils/ptr"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// Occupied names a range of the cluster that has addresses of the vipRange: pods, services, VCNs,
// as its nodes hold them. Empty if there is none, or while the cluster has no machines: those are
// refused where they would take ranges of others.
func Occupied(vipRange string, infra *infrav1.OCIMeshCluster) string {
	vips, err := netip.ParsePrefix(vipRange)
	if err != nil || !ptr.Deref(infra.Status.Initialization.Provisioned, false) {
		return ""
	}
	networks := map[string][]string{}
	for _, account := range infra.Status.Accounts {
		networks[account.Name] = account.Ranges
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
	if found := first("the service range", infra.Status.Ranges.Services); found != "" {
		return found
	}
	for _, account := range infra.Spec.Accounts {
		blocks := networks[account.Name]
		if managed := account.Network.Managed; managed != nil {
			blocks = []string{managed.VCNCIDR}
		}
		if found := first("the VCN range of account "+account.Name+",", blocks); found != "" {
			return found
		}
	}
	return ""
}
