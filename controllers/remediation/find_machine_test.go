// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestARequestWithoutAMachineOrOfAHealthyOneDoesNothing(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	b.setHealth(t, metav1.ConditionTrue)

	b.until(t, "Remediated True Ready")

	alone := &infrav1.OCIMeshRemediation{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: "alone"}}
	b.Create(t, alone)
	g.Expect(alone.Spec.Steps).To(HaveLen(3), "the API's defaults")
	b.own = alone
	b.until(t, "Remediated False MachineNotFound")
	g.Expect(b.actions()).To(BeZero())
}

// Its MachineHealthCheck does not reach a cluster whose only API server hangs.
func TestARequestByHandIsDoneForAMachineThatWasRepairedBefore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	conditions.Set(b.machine, metav1.Condition{
		Type: clusterv1.MachineHealthCheckSucceededCondition, Status: metav1.ConditionTrue, Reason: "Test",
		LastTransitionTime: metav1.NewTime(b.own.CreationTimestamp.Add(-time.Hour)),
	})
	NewWithT(t).Expect(b.Client.Status().Update(t.Context(), b.machine)).To(Succeed())

	b.untilSent(t, infrav1.RemediationSoftReset)
	b.setHealth(t, metav1.ConditionFalse)
	b.setHealth(t, metav1.ConditionTrue)
	b.until(t, "Remediated True Ready")
}

// T1 makes requests as many as it likes, each with tries of its own and calls to OCI, in an account
// that others use too.
func TestT1CannotHaveOneMachineRepairedByManyRequests(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	forged := b.own.DeepCopy()
	forged.ObjectMeta = metav1.ObjectMeta{Namespace: b.Namespace, Name: "more", OwnerReferences: b.own.OwnerReferences}
	b.Create(t, forged)
	b.own = forged

	b.until(t, "Remediated False MachineNotFound")

	g.Expect(b.actions()).To(BeZero())
	g.Expect(b.own.Status.Attempts).To(BeEmpty())
}

func TestAMachineWithoutItsOCIMeshMachineIsHandedOver(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t)
	// It is another Machine's.
	b.infra.OwnerReferences[0].UID = "another"
	g.Expect(b.Client.Update(t.Context(), b.infra)).To(Succeed())

	b.until(t, "Remediated False HandedOver")

	g.Expect(b.actions()).To(BeZero())
	g.Expect(b.ownerIsAsked()).To(BeTrue())
}
