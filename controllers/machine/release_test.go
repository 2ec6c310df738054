// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestAMachineIsDeletedAfterItsClusterIsGone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, helpers.WorldOptions{Accounts: 2})
	own := b.machine(t, "machine")
	b.untilProvisioned(t, own)
	g.Expect(b.Client.Delete(t.Context(), b.infra)).To(Succeed())
	g.Expect(b.Client.Delete(t.Context(), b.cluster)).To(Succeed())

	b.delete(t, own)
	b.expectNothingLeft(t)
}
