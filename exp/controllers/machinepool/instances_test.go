// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestAnInstanceLostOutsideTakesItsMachineAlongAndIsReplaced(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2)
	b.untilReady(t, 2)
	lost := b.machines(t)[0]

	g.Expect(b.OCI.TerminateInstance(strings.TrimPrefix(lost.Spec.ProviderID, "oci://"))).To(Succeed())

	b.until(t, func(g Gomega) { g.Expect(names(b.machines(t))).NotTo(ContainElement(lost.Name)) })
	b.untilReady(t, 2)
	g.Expect(b.own.Status.Pool.Size).To(HaveValue(BeEquivalentTo(2)))
}

func TestOneMachineIsDeletedByName(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 3)
	b.untilReady(t, 3)
	victim := b.machines(t)[1]

	// Its replacement is another one, as long as the MachinePool wants three.
	g.Expect(b.Client.Delete(t.Context(), &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: victim.Name}})).To(Succeed())
	b.until(t, func(g Gomega) { g.Expect(names(b.machines(t))).NotTo(ContainElement(victim.Name)) })
	b.untilReady(t, 3)
	g.Expect(b.OCI.InstanceState(strings.TrimPrefix(victim.Spec.ProviderID, "oci://"))).To(Equal("TERMINATED"))

	// The one that is marked goes when the pool becomes smaller, and only it.
	marked := b.machines(t)[2]
	machine := &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace, Name: marked.Name}}
	helpers.Update(t, b.Environment, machine, func(m *clusterv1.Machine) { m.Annotations = map[string]string{clusterv1.DeleteMachineAnnotation: ""} })
	others := names(b.machines(t))
	others = slices.DeleteFunc(others, func(name string) bool { return name == marked.Name })
	b.scaleTo(t, 2)
	b.untilReady(t, 2)
	g.Expect(names(b.machines(t))).To(ConsistOf(others))
	g.Expect(b.own.Status.Pool.Size).To(HaveValue(BeEquivalentTo(2)))
}
