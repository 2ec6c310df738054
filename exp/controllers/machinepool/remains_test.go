// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"
)

// The pool's end takes its volumes along. What OCI fails to delete is deleted if it was attached
// before.
func TestVolumesThatOCILeavesAtThePoolsEndAreDeleted(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2)
	b.untilReady(t, 2)
	g.Expect(b.left(t, "volume")).To(Equal(2))
	// The first machine's instance leaves the pool while OCI ends it: its volume is left behind.
	b.deleteMachine(t, b.machines(t)[0].Name)
	b.until(t, func(g Gomega) { g.Expect(b.calls("DetachInstancePoolInstance")).NotTo(BeZero()) })

	b.delete(t)

	b.expectNothingLeft(t)
}
