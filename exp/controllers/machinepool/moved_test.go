// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// makeAccountAnew makes the pool's account by hand, as after a move, for a tenancy.
func (b *bench) makeAccountAnew(t *testing.T, tenancy int) {
	t.Helper()
	was := b.Accounts[0]
	NewWithT(t).Expect(b.Client.Delete(t.Context(), was)).To(Succeed())
	b.Accounts[0] = helpers.NewOCIAccount(was.Name, b.Credentials[tenancy], helpers.Region, b.Tenancies[tenancy].Compartment(), b.OCI.URL())
	b.Create(t, b.Accounts[0])
	b.MakeReady(t, was.Name)
}

// elsewhere is a pool of two that was moved to where its account is for another compartment.
func elsewhere(t *testing.T) (b *bench, before *expv1.OCIMeshMachinePool) {
	t.Helper()
	b = (&bench{podNetwork: infrav1.PodNetworkVXLAN, accounts: 2}).begin(t, 2)
	b.untilReady(t, 2)
	before = b.own.DeepCopy()
	b.move(t)
	b.makeAccountAnew(t, 1)
	return b, before
}

func TestAMovedPoolWaitsForAnAccountThatShowsIt(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b, before := elsewhere(t)
	kept := names(b.machines(t))

	b.passes(t, 10)
	b.Reload(t, b.own)
	g.Expect(b.own.Spec.ProviderIDList).To(Equal(before.Spec.ProviderIDList), "their Nodes stay")
	g.Expect(helpers.ConditionsOf(b.own)).To(ContainElements("Ready False PoolNotFound", "PoolReady False PoolNotFound"))
	g.Expect(helpers.MessageOf(b.own, expv1.PoolReadyCondition)).To(And(ContainSubstring("OCIAccount "+b.Accounts[0].Name), ContainSubstring("empty spec.providerIDList")))
	g.Expect(b.OCI.CallCounts(b.Tenancies[1].Name)).NotTo(HaveKey("CreateInstancePool"))
	for _, machine := range b.machines(t) {
		g.Expect(machine.DeletionTimestamp.IsZero()).To(BeTrue(), machine.Name)
	}

	b.makeAccountAnew(t, 0)
	b.untilReady(t, 2)
	g.Expect(names(b.machines(t))).To(Equal(kept))
	g.Expect(b.own.Status.Pool.ID).To(Equal(before.Status.Pool.ID))
	g.Expect(b.own.Spec.ProviderIDList).To(Equal(before.Spec.ProviderIDList))
	b.delete(t)
	b.expectNothingLeft(t)
}

func TestAMovedPoolWhoseInstancesAreForgottenIsMadeAnew(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b, _ := elsewhere(t)
	b.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("PoolReady False PoolNotFound"))
	})
	g.Expect(b.own.Status.Pool.Attempt).To(BeZero())

	helpers.Update(t, b.Environment, b.own, func(own *expv1.OCIMeshMachinePool) { own.Spec.ProviderIDList = nil })

	b.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(b.own)).NotTo(ContainElement("PoolReady False PoolNotFound"))
		g.Expect(b.own.Status.Pool.Attempt).To(BeEquivalentTo(1))
	})
}
