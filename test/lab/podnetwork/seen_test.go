// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package podnetwork

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
)

func TestAnswersOfProbesAreRead(t *testing.T) {
	g := NewWithT(t)
	g.Expect(ParseSeen("node-1 10.244.1.7:40000\n")).To(Equal(Seen{"node-1", netip.MustParseAddr("10.244.1.7")}))
	g.Expect(ParseSeen(" [::ffff:100.64.0.3]:40000\n")).To(Equal(Seen{"", netip.MustParseAddr("100.64.0.3")}), "outside pods")
	for _, none := range []string{"", "node-1\n", "node-1 somewhere\n", "<html>404 page not found</html>\n"} {
		_, err := ParseSeen(none)
		g.Expect(err).To(HaveOccurred(), none)
	}
}
