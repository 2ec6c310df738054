// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package deployment

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// repair has the worker's instance reset, as a MachineHealthCheck asks for.
func (l *life) repair(t *testing.T) {
	t.Helper()
	machine := &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: l.Namespace, Name: "vip-worker"}}
	l.setHealth(t, machine, metav1.ConditionFalse)
	// A machine that never became a Node is not reset.
	l.await(t, func(g Gomega) {
		g.Expect(l.Client.Get(t.Context(), client.ObjectKeyFromObject(machine), machine)).To(Succeed())
		machine.Status.NodeRef.Name = machine.Name
		g.Expect(l.Client.Status().Update(t.Context(), machine)).To(Succeed())
	})
	request := &infrav1.OCIMeshRemediation{ObjectMeta: metav1.ObjectMeta{
		Namespace: l.Namespace, Name: machine.Name, OwnerReferences: []metav1.OwnerReference{{
			APIVersion: clusterv1.GroupVersion.String(), Kind: "Machine", Name: machine.Name, UID: machine.UID,
		}},
	}}
	l.Create(t, request)
	l.await(t, func(g Gomega) {
		g.Expect(l.Client.Get(t.Context(), client.ObjectKeyFromObject(request), request)).To(Succeed())
		g.Expect(request.Status.Attempts).To(HaveLen(1), "%v", request.Status.Conditions)
		g.Expect(request.Status.Attempts[0].SentAt.IsZero()).To(BeFalse())
		l.Reload(t, machine)
		g.Expect(conditions.GetReason(machine, clusterv1.MachineExternallyRemediatedCondition)).To(Equal(infrav1.RepairingReason))
	})
	l.setHealth(t, machine, metav1.ConditionTrue)
	l.await(t, func(g Gomega) {
		g.Expect(l.Client.Get(t.Context(), client.ObjectKeyFromObject(request), request)).To(Succeed())
		g.Expect(helpers.ConditionsOf(request)).To(ContainElement("Remediated True Ready"))
	})
	l.remove(t, request)
	l.Reload(t, machine)
	NewWithT(t).Expect(conditions.Has(machine, clusterv1.MachineExternallyRemediatedCondition)).To(BeFalse())
}

// setHealth writes what a MachineHealthCheck says of the Machine.
func (l *life) setHealth(t *testing.T, machine *clusterv1.Machine, status metav1.ConditionStatus) {
	t.Helper()
	l.await(t, func(g Gomega) {
		g.Expect(l.Client.Get(t.Context(), client.ObjectKeyFromObject(machine), machine)).To(Succeed())
		conditions.Set(machine, metav1.Condition{Type: clusterv1.MachineHealthCheckSucceededCondition, Status: status, Reason: "Test"})
		g.Expect(l.Client.Status().Update(t.Context(), machine)).To(Succeed())
	})
}
