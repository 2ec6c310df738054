// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
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

	pool := b.poolIn(infra, "pool", b.Accounts[0].Name)
	b.g.Expect(env.Client.Delete(t.Context(), machine)).To(Succeed())
	b.g.Eventually(func(g Gomega) {
		_, err := b.reconcile(infra)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(helpers.MessageOf(infra, infrav1.DeletingCondition)).To(Equal("Waiting for the cluster's OCIMeshMachinePools " + infra.Namespace + "/pool to be deleted"))
	}, timeout, b.pause).Should(Succeed())
	b.g.Expect(b.count("DeleteSubnet")).To(BeZero())

	b.g.Expect(env.Client.Delete(t.Context(), pool)).To(Succeed())
	b.untilGone(infra)
	b.ExpectNothingLeft(t)
}
