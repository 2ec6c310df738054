// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"
)

func TestAMovedPoolThatIsDeletedAtOnceLeavesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t, 2)
	b.untilReady(t, 2)
	b.move(t)

	b.delete(t)

	b.expectNothingLeft(t)
}
