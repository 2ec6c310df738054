// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

func TestTheListOfAddressesFollowsTheClusters(t *testing.T) {
	g := NewWithT(t)
	w, r := newWorld(t, tailnetsim.Tailscale)
	user := newUser(t, w, "moved", "10.250.0.7")

	reconciled(t, r, w.Tailnet)

	g.Expect(w.Tailnet.Status.VIPAllocations).To(HaveLen(1), "found again from the spec")
	g.Expect(w.Tailnet.Status.VIPAllocations[0].Address).To(Equal("10.250.0.7"))

	g.Expect(env.Client.Delete(t.Context(), user)).To(Succeed())
	reconciled(t, r, w.Tailnet)

	g.Expect(w.Tailnet.Status.VIPAllocations).To(BeEmpty())
}
