// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestAPoolIsScaledFromZeroAndBackAndLeavesNothing(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 0)
	b.untilReady(t, 0)
	g.Expect(b.own.Status.Ready).To(HaveValue(BeTrue()))
	g.Expect(b.own.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
	g.Expect(b.own.Status.InfrastructureMachineKind).To(Equal("OCIMeshMachinePoolMachine"))
	g.Expect(b.own.Status.Capacity).To(And(
		HaveKeyWithValue(corev1.ResourceCPU, resource.MustParse("2")), HaveKeyWithValue(corev1.ResourceMemory, resource.MustParse("12Gi"))))
	g.Expect(b.own.Status.NodeInfo).To(Equal(infrav1.NodeInfo{Architecture: infrav1.ArchitectureArm64, OperatingSystem: "linux"}))
	b.until(t, func(g Gomega) { g.Expect(b.Control.Leftovers().Keys).To(BeEmpty(), "nobody is to join a pool at zero") })

	b.scaleTo(t, 3)
	b.untilReady(t, 3)
	helpers.ExpectConditions(t, b.own, "Ready True Ready", "ConfigurationReady True Ready", "PoolReady True Ready",
		"InstancesReady True Ready", "TailnetReady True Ready", "Deleting False NotDeleting", "Paused False NotPaused")
	domains := map[string]bool{}
	for _, machine := range b.machines(t) {
		helpers.ExpectConditions(t, &machine, "Ready True Ready", "InstanceReady True Ready", "TailnetReady True Ready",
			"Deleting False NotDeleting", "Paused False NotPaused")
		g.Expect(machine.Status.Initialization.Provisioned).To(HaveValue(BeTrue()))
		g.Expect(machine.Status.FailureDomain).To(Equal(b.Accounts[0].Name + "-ad-1"))
		g.Expect(machine.Status.Addresses[0].Type).To(Equal(clusterv1.MachineInternalIP))
		g.Expect(machine.Labels).To(HaveKeyWithValue(clusterv1.MachinePoolNameLabel, "workers"))
		g.Expect(b.own.Spec.ProviderIDList).To(ContainElement(machine.Spec.ProviderID))
		domains[machine.Status.FaultDomain] = true
	}
	g.Expect(domains).To(HaveLen(3), "spread over fault domains")

	b.scaleTo(t, 1)
	b.untilReady(t, 1)
	b.until(t, func(g Gomega) { g.Expect(b.left(t, "volume")).To(Equal(1), "data volumes go with their instances") })
	b.scaleTo(t, 0)
	b.untilReady(t, 0)
	b.until(t, func(g Gomega) { g.Expect(b.Control.Leftovers().Keys).To(BeEmpty()) })

	b.scaleTo(t, 2)
	b.untilReady(t, 2)
	b.delete(t)
	b.expectNothingLeft(t)
	g.Expect(b.calls("CreateInstancePool")).To(Equal(1))
}

func names(machines []expv1.OCIMeshMachinePoolMachine) []string {
	var out []string
	for _, machine := range machines {
		out = append(out, machine.Name)
	}
	return out
}

// clusterctl move makes objects anew, without status and with other UIDs, and lets go of the old
// ones without their end.
func (b *bench) move(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	objects := []client.Object{b.own}
	for _, machine := range b.machines(t) {
		objects = append(objects, machine.DeepCopy())
	}
	var moved []client.Object
	for _, object := range objects {
		again := object.DeepCopyObject().(client.Object)
		again.SetUID("")
		again.SetResourceVersion("")
		moved = append(moved, again)
		object.SetFinalizers(nil)
		g.Expect(b.Client.Update(t.Context(), object)).To(Succeed())
		g.Expect(b.Client.Delete(t.Context(), object)).To(Succeed())
	}
	for _, object := range moved {
		b.Create(t, object)
	}
	b.restart()
	b.Reload(t, b.own)
	g.Expect(b.own.Status).To(BeZero())
}

func TestAMovedPoolKeepsItsInstances(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 2)
	b.untilReady(t, 2)
	before, kept := b.own.DeepCopy(), names(b.machines(t))
	b.move(t)
	g.Expect(b.own.UID).NotTo(Equal(before.UID))

	b.untilReady(t, 2)

	g.Expect(names(b.machines(t))).To(Equal(kept))
	g.Expect(b.own.Status.Pool.ID).To(Equal(before.Status.Pool.ID))
	g.Expect(b.own.Spec.ProviderIDList).To(Equal(before.Spec.ProviderIDList))
	for _, machine := range b.machines(t) {
		g.Expect(machine.Status.Account).To(Equal(b.Accounts[0].Name), "it is recorded again")
	}
	g.Expect(b.calls("CreateInstancePool")).To(Equal(1))
	b.delete(t)
	b.expectNothingLeft(t)
}
