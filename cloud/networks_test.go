// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloud_test

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

func TestNetworksAreReadWithoutHostBitsAndWithoutWhatIsNone(t *testing.T) {
	g := NewWithT(t)
	texts := []string{"10.244.3.7/16", "fd00::1/64", "10.0.0.1", "", "10.96.0.0/12"}
	four := []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16"), netip.MustParsePrefix("10.96.0.0/12")}

	g.Expect(cloud.Networks(texts)).To(Equal([]netip.Prefix{four[0], netip.MustParsePrefix("fd00::/64"), four[1]}))
	g.Expect(cloud.IPv4Networks(texts)).To(Equal(four))
}
