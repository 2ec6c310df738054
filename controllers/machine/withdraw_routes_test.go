// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestTheVIPLeavesAControlPlaneBeforeItsInstanceEnds(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "control-plane", controlPlane)
	b.untilProvisioned(t, own)

	g.Expect(b.Client.Delete(t.Context(), own)).To(Succeed())
	b.pass(t, own)

	devices := b.Control.Devices()
	g.Expect(devices).To(HaveLen(1))
	g.Expect(devices[0].Enabled).To(BeEmpty())
	b.delete(t, own)
}
