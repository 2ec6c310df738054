// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestDeletionWaitsForTheMachines(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{Accounts: 1})
	infra := b.cluster("c1")
	b.until(infra, "Ready True Ready")
	machine := b.machineIn(infra, "m1", b.Accounts[0].Name)
	b.g.Expect(env.Client.Delete(t.Context(), infra.DeepCopy())).To(Succeed())

	b.until(infra, "Deleting True InUse")

	helpers.ExpectConditions(t, infra, "Ready False InUse", "Deleting True InUse", "AccountsReady False Deleting",
		"NetworkReady False Deleting", "TailnetReady False Deleting", "RangesDistinct False Deleting", "EndpointReady False Deleting",
		"Paused False NotPaused")
	b.g.Expect(b.count("DeleteSubnet")).To(BeZero())

	b.g.Expect(env.Client.Delete(t.Context(), machine)).To(Succeed())
	b.untilGone(infra)
	b.ExpectNothingLeft(t)
}
