// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package ownership

import (
	"net/netip"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// VIP is a cluster's control plane address. The zero value belongs to no cluster.
type VIP struct{ route netip.Prefix }

// HeldVIP is the address if the cluster holds it by the Tailnet's status: identity, namespace and
// name all three. Its spec alone proves nothing, users write it.
func (o Owner) HeldVIP(address string, allocations []infrav1.VIPAllocation) (VIP, bool) {
	parsed, err := netip.ParseAddr(address)
	if err != nil || o.uidTag != infrav1.ClusterUIDTag || o.identity == "" {
		return VIP{}, false
	}
	held := slices.ContainsFunc(allocations, func(a infrav1.VIPAllocation) bool {
		of, err := netip.ParseAddr(a.Address)
		return err == nil && of == parsed && a.UID == o.identity && a.Namespace == o.namespace && a.Name == o.name
	})
	if !held {
		return VIP{}, false
	}
	return VIP{netip.PrefixFrom(parsed, parsed.BitLen())}, true
}

// Route is the address as a route of one host.
func (v VIP) Route() netip.Prefix { return v.route }

// Usurped is a proof for withdrawing the address from a device: it has the route enabled, without a
// right to the address. It is for withdrawing this one route, and nothing else of the device.
func (v VIP) Usurped(id string, enabled []netip.Prefix) (Proof, bool) {
	if id == "" || !v.route.IsValid() || !slices.Contains(enabled, v.route) {
		return Proof{}, false
	}
	return Proof{id}, true
}
