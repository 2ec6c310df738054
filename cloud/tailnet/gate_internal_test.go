// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

func TestOnceOneHasWaitedInVainNobodyWaitsUntilACallEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		gate := newGate(Limits{InFlight: 1, Turn: time.Minute}, func(string, string) {})
		took := func() (time.Duration, error) {
			began := time.Now()
			_, err := gate.enter(t.Context(), "GetDevice")
			return time.Since(began), err
		}
		_, err := took()
		g.Expect(err).NotTo(HaveOccurred(), "the call that hangs")

		waited, err := took()
		g.Expect(cloud.IsKind(err, cloud.Throttled)).To(BeTrue())
		g.Expect(waited).To(Equal(time.Minute))
		waited, err = took()
		g.Expect(cloud.IsKind(err, cloud.Throttled)).To(BeTrue())
		g.Expect(waited).To(BeZero())

		gate.leave(false, nil)
		_, err = took()
		g.Expect(err).NotTo(HaveOccurred(), "the slot is free")
		waited, err = took()
		g.Expect(cloud.IsKind(err, cloud.Throttled)).To(BeTrue())
		g.Expect(waited).To(Equal(time.Minute), "a call has ended since")
	})
}
