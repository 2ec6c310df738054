// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package ownership

import (
	"net/netip"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// VIP is a control plane's address that a cluster holds. The zero value is nobody's.
type VIP struct{ route netip.Prefix }

// HeldVIP is the address if the Tailnet's status says that the cluster holds it: identity,
// namespace and name all three. Its spec alone proves nothing, users write it.
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

// Usurped proves that the address may be taken from a device: it has the route enabled, and the
// address is not that device's to have. It is for taking that one route back, and nothing else of
// the device.
func (v VIP) Usurped(id string, enabled []netip.Prefix) (Proof, bool) {
	if id == "" || !v.route.IsValid() || !slices.Contains(enabled, v.route) {
		return Proof{}, false
	}
	return Proof{id}, true
}
