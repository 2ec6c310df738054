// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// setOCPUs gives the account a budget of OCPUs.
func (b *bench) setOCPUs(t *testing.T, ocpus int32) {
	t.Helper()
	helpers.Update(t, b.Environment, b.Accounts[0], func(account *infrav1.OCIAccount) {
		account.Spec.Budget = infrav1.AccountBudget{Families: []infrav1.FamilyBudget{{Family: "Standard.A1", OCPUs: ptr.To(ocpus)}}}
	})
}

func (b *bench) wants(t *testing.T, ocpus int32) {
	t.Helper()
	helpers.Update(t, b.Environment, b.own, func(own *expv1.OCIMeshMachinePool) { own.Spec.Shape.OCPUs = ocpus })
}

// ocpus are those of the pool's instances.
func (b *bench) ocpus(t *testing.T) (all []float64) {
	t.Helper()
	for _, machine := range b.instances(t) {
		all = append(all, machine.Ocpus)
	}
	return all
}

func TestAPoolsShapeIsMadeLargerOnceAllInstancesHaveRoom(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.setOCPUs(t, 7)
	b.untilReady(t, 1)
	g.Expect(b.own.Status.Granted.Shape.OCPUs).To(BeEquivalentTo(2))

	b.wants(t, 8)
	b.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElements("ConfigurationReady False BudgetExceeded", "Ready False BudgetExceeded"))
	})
	g.Expect(helpers.MessageOf(b.own, expv1.ConfigurationReadyCondition)).To(And(
		HavePrefix("OCIAccount %s has no room for the pool's 1 instances as the spec has them", b.Accounts[0].Name),
		ContainSubstring("choose a smaller size: account %s has room for one of 7 OCPUs", b.Accounts[0].Name)))

	g.Expect(b.own.Status.Capacity).To(HaveKeyWithValue(corev1.ResourceCPU, resource.MustParse("2")), "that of a node to come")

	// Everything else goes on, with instances as they were.
	digest := b.own.Status.Configuration.Digest
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "workers-bootstrap"}}
	helpers.Update(t, b.Environment, secret, func(s *corev1.Secret) { s.Data["value"] = []byte(helpers.BootstrapData + "# another token\n") })
	b.until(t, func(g Gomega) { g.Expect(b.own.Status.Configuration.Digest).NotTo(Equal(digest)) })
	b.scaleTo(t, 2)
	b.until(t, func(g Gomega) { g.Expect(b.ocpus(t)).To(Equal([]float64{2, 2})) })
	g.Expect(b.own.Status.Granted.Shape.OCPUs).To(BeEquivalentTo(2))

	b.setOCPUs(t, 16)
	b.until(t, func(g Gomega) { g.Expect(b.own.Status.Granted.Shape.OCPUs).To(BeEquivalentTo(8)) })
	b.untilReady(t, 2)
	g.Expect(b.own.Status.Capacity).To(HaveKeyWithValue(corev1.ResourceCPU, resource.MustParse("8")))
	g.Expect(b.refusesAMachine(t)).To(BeTrue(), "OCI may replace both")

	b.wants(t, 2)
	b.until(t, func(g Gomega) { g.Expect(b.own.Status.Granted.Shape.OCPUs).To(BeEquivalentTo(2)) })
	g.Expect(b.refusesAMachine(t)).To(BeFalse())
	b.delete(t)
	b.expectNothingLeft(t)
}

// T1 asks for more than there is, and OCI replaces what is lost.
func TestT1CannotPutLargerInstancesInThePlaceOfLostOnes(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.setOCPUs(t, 5)
	b.untilReady(t, 1)

	b.wants(t, 512)
	b.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("ConfigurationReady False BudgetExceeded"))
	})
	g.Expect(b.OCI.TerminateInstance(b.instances(t)[0].ID)).To(Succeed())

	b.until(t, func(g Gomega) { g.Expect(b.ocpus(t)).To(Equal([]float64{2})) })
	g.Expect(b.left(t, "instanceconfiguration")).To(Equal(1))
}

func TestWhatAPoolWasGrantedIsFoundAgainByItsInstances(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 1)
	b.setOCPUs(t, 3)
	b.untilReady(t, 1)
	b.wants(t, 4)
	b.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("ConfigurationReady False BudgetExceeded"))
	})

	// A move takes no status along.
	b.own.Status = expv1.OCIMeshMachinePoolStatus{}
	g.Expect(b.Client.Status().Update(t.Context(), b.own)).To(Succeed())
	b.restart()

	b.until(t, func(g Gomega) {
		g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("ConfigurationReady False BudgetExceeded"))
		g.Expect(b.own.Status.Granted.Shape.OCPUs).To(BeEquivalentTo(2))
	})
}
