// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package network

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/varied"
)

func TestTheLifeOfANetworkWhateverOCIAnswers(t *testing.T) {
	varied.Run(t, 3, func(t *testing.T, seed uint64) {
		b := newBench(t, func(options *sim.Options) { options.Seed, options.PageSize = seed, 3 })
		state := b.readyFor(spec(), 6443)
		b.g.Expect(b.readyFor(spec(), 6443)).To(Equal(state), "nothing is made twice")
		b.gone(state.VCNID)
		b.expectLeft(0)
		again := b.readyFor(spec(), 6443)
		b.g.Expect(again.VCNID).NotTo(Equal(state.VCNID))
		b.gone(again.VCNID)
		b.expectLeft(0)
	})
}
