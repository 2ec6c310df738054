// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim_test

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestNeighboursAreInTheAPIAndNoLeftovers(t *testing.T) {
	for mode, want := range map[tailnetsim.Mode]int{tailnetsim.Tailscale: 9, tailnetsim.Headscale: 7} {
		t.Run(string(mode), func(t *testing.T) {
			g := NewWithT(t)
			w := newWorld(t, tailnetsim.Options{Mode: mode})
			w.AddNeighbours(tailnetsim.Neighbours{ClusterTags: []string{nodeTag}, ConnectorRange: prefixes("10.244.0.0/16")[0]})

			status, body := w.send(apiKey, http.MethodGet, "/api/v2/tailnet/-/devices?fields=all", "")
			g.Expect(status).To(Equal(http.StatusOK))
			g.Expect(body["devices"]).To(HaveLen(want))
			g.Expect(w.Neighbours()).To(HaveLen(want))
			g.Expect(w.Devices()).To(BeEmpty())
			g.Expect(w.Leftovers().Devices).To(BeEmpty())
			for route, hostname := range map[string]string{
				"0.0.0.0/0": "exit-node", "192.168.1.0/24": "home-router", "10.0.0.0/8": "office-router", "10.244.0.0/16": "connector-0",
				"10.244.0.0/24": "other-md-0-x7k2p-9qz4w",
			} {
				router, found := w.PrimaryRouter(prefixes(route)[0])
				g.Expect(found).To(BeTrue(), route)
				g.Expect(router.Hostname).To(Equal(hostname))
			}
		})
	}
}

func TestNeighboursOfAReleasedHeadscale(t *testing.T) {
	eachRelease(t, func(t *testing.T, w *world) {
		g := NewWithT(t)
		w.AddNeighbours(tailnetsim.Neighbours{ClusterTags: []string{nodeTag}})

		g.Expect(w.nodes()).To(HaveLen(7))
		g.Expect(w.serving()).To(ConsistOf("1: 0.0.0.0/0 ::/0", "2: 192.168.1.0/24", "3: 10.0.0.0/8", "4: 10.42.0.0/16", "7: 10.244.0.0/24"))
	})
}
