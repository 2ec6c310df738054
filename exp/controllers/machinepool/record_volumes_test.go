// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestADetachedVolumeOutlivesItsPoolWithoutItsMachineHavingGone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2)
	b.untilReady(t, 2)
	_, _, volume := b.rescue(t)

	b.delete(t)

	g.Expect(b.console(t).volumeState(t, volume)).To(Equal("AVAILABLE"))
	g.Expect(b.left(t, "volume")).To(Equal(1))
	g.Expect(b.recorder.Events()).To(ContainElement(And(ContainSubstring("VolumesLeft"), ContainSubstring(volume))))
}
