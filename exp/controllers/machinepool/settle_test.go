// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestAMovedPoolAndItsMachinesEndOnlyAfterTheWindow(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *bench){
		"the pool":    func(t *testing.T, b *bench) { b.ask(t) },
		"one machine": func(t *testing.T, b *bench) { b.deleteOne(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			first := newManaged(t, "first", 2)
			first.untilReady(t, 2)
			before, made := first.holdings(t), first.own.Status.Instances
			second := first.restored(t, "second")
			end(t, second)

			second.untilClaim(t, infrav1.ClaimPending)
			second.passes(t, 4)
			g.Expect(second.holdings(t)).To(Equal(before))
			second.sleep(window)
			second.until(t, func(g Gomega) {
				g.Expect(second.own.Status.Instances).NotTo(Equal(made))
				g.Expect(second.holdings(t)).NotTo(Equal(before))
			})
			second.delete(t)
			second.expectNothingLeft(t)
		})
	}
}
