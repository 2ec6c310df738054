// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloud

import "net/netip"

// Networks are those in the texts, without host bits. What is none is left out: where a user can
// write it, it is refused there.
func Networks(texts []string) []netip.Prefix {
	var found []netip.Prefix
	for _, text := range texts {
		if network, err := netip.ParsePrefix(text); err == nil {
			found = append(found, network.Masked())
		}
	}
	return found
}

// IPv4Networks are those of them that the tailnet has routes of.
func IPv4Networks(texts []string) []netip.Prefix {
	var found []netip.Prefix
	for _, network := range Networks(texts) {
		if network.Addr().Is4() {
			found = append(found, network)
		}
	}
	return found
}
