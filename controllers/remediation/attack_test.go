// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"testing"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// expectUntouched makes some passes.
func (b *bench) expectUntouched(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	before := b.actions()
	for range 5 {
		b.pass(t)
	}
	g.Expect(b.actions()).To(Equal(before))
	g.Expect(b.ownerIsAsked()).To(BeFalse())
}

func TestWhatIsPausedIsLeftAlone(t *testing.T) {
	t.Parallel()
	for name, object := range map[string]func(b *bench) client.Object{
		"the request":        func(b *bench) client.Object { return b.own },
		"the Machine":        func(b *bench) client.Object { return b.machine },
		"the OCIMeshMachine": func(b *bench) client.Object { return b.infra },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			paused := object(b)
			b.Reload(t, paused)
			paused.SetAnnotations(map[string]string{clusterv1.PausedAnnotation: "for an inspection"})
			g.Expect(b.Client.Update(t.Context(), paused)).To(Succeed())

			b.until(t, "Paused True Paused")
			b.expectUntouched(t)

			b.Reload(t, paused)
			paused.SetAnnotations(nil)
			g.Expect(b.Client.Update(t.Context(), paused)).To(Succeed())
			b.untilSent(t, infrav1.RemediationSoftReset)
			g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("Paused False NotPaused"))
		})
	}
}

// Its MachineHealthCheck leaves the Machine out from then on: it neither says that the machine is
// healthy again nor deletes the request.
func TestAMachineThatIsToSkipRemediationAmidItsRepairIsLeftAlone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.untilSent(t, infrav1.RemediationSoftReset)
	helpers.Update(t, b.Environment, b.machine, func(machine *clusterv1.Machine) {
		machine.Annotations = map[string]string{clusterv1.MachineSkipRemediationAnnotation: ""}
	})

	b.timeOut(t)
	b.until(t, "Paused True Paused")
	b.expectUntouched(t)
	g.Expect(helpers.MessageOf(b.own, clusterv1.PausedCondition)).To(Equal(
		"Machine has the cluster.x-k8s.io/skip-remediation annotation: it is neither repaired nor replaced until you remove that"))

	helpers.Update(t, b.Environment, b.machine, func(machine *clusterv1.Machine) { machine.Annotations = nil })
	b.untilSent(t, infrav1.RemediationReset)
	g.Expect(helpers.ConditionsOf(b.own)).To(ContainElement("Paused False NotPaused"))

	helpers.Update(t, b.Environment, b.machine, func(machine *clusterv1.Machine) {
		machine.Annotations = map[string]string{clusterv1.MachineSkipRemediationAnnotation: ""}
	})
	g.Expect(b.Client.Delete(t.Context(), b.own)).To(Succeed())
	b.pass(t)
	g.Expect(apierrors.IsNotFound(b.Client.Get(t.Context(), client.ObjectKeyFromObject(b.own), b.own))).To(BeTrue(), "people can delete the request")
}

// A move or a restore from a backup takes no status along, and the account may be slow to show the
// instance.
func TestAMachineWhoseStatusWasLostIsNotHandedOverUntilItsInstanceIsProvenGone(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.infra.Spec.ProviderID = cloud.ProviderID(b.infra.Status.Instance.ID)
	g.Expect(b.Client.Update(t.Context(), b.infra)).To(Succeed())
	b.infra.Status = infrav1.OCIMeshMachineStatus{}
	g.Expect(b.Client.Status().Update(t.Context(), b.infra)).To(Succeed())

	b.until(t, "Remediated False Waiting")
	b.expectUntouched(t)

	// All accounts have answered, and none of them has it.
	conditions.Set(b.infra, metav1.Condition{Type: infrav1.InstanceReadyCondition, Status: metav1.ConditionFalse, Reason: infrav1.InstanceNotOwnedReason})
	g.Expect(b.Client.Status().Update(t.Context(), b.infra)).To(Succeed())
	b.until(t, "Remediated False HandedOver")
}

func TestAnInstanceThatIsRestartedForItsUpdateIsNotRepaired(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.infra.Status.Update = infrav1.UpdateStatus{Step: infrav1.UpdateResize, Generation: 1, Attempt: 1}
	g.Expect(b.Client.Status().Update(t.Context(), b.infra)).To(Succeed())
	b.stop(t)

	b.until(t, "Remediated False Updating")
	b.expectUntouched(t)

	b.infra.Status.Update = infrav1.UpdateStatus{}
	g.Expect(b.Client.Status().Update(t.Context(), b.infra)).To(Succeed())
	b.untilSent(t, infrav1.RemediationStart)
}
