// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// The autoscaler asks how large a node would be before there is one, and asks on.
func TestCapacityFollowsTheShapeAndIsLookedUpOnceForEach(t *testing.T) {
	t.Parallel()
	g := NewWithT(t)
	b := newBench(t, 0, func(_ *clusterv1.MachinePool, own *expv1.OCIMeshMachinePool) {
		own.Spec.Shape = infrav1.Shape{Name: "VM.Standard.A9.Flex", OCPUs: 1, MemoryGB: 6}
	})
	b.untilConditions(t, "Ready False ShapeNotFound", "ConfigurationReady False ShapeNotFound", "PoolReady False Waiting",
		"InstancesReady True Ready", "TailnetReady True Ready")
	g.Expect(helpers.MessageOf(b.own, expv1.ConfigurationReadyCondition)).To(And(
		ContainSubstring("VM.Standard.A9.Flex"), ContainSubstring(b.Accounts[0].Name), ContainSubstring("use a shape of its region")))
	g.Expect(b.own.Status.Capacity).To(BeEmpty())
	g.Expect(b.calls("CreateInstanceConfiguration")).To(BeZero())

	for _, world := range []struct {
		shape        infrav1.Shape
		cpu, memory  string
		architecture infrav1.Architecture
	}{
		{infrav1.Shape{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12}, "2", "12Gi", infrav1.ArchitectureArm64},
		// Two hardware threads of each OCPU are two CPUs.
		{infrav1.Shape{Name: "VM.Standard.E4.Flex", OCPUs: 1, MemoryGB: 8}, "2", "8Gi", infrav1.ArchitectureAmd64},
	} {
		helpers.Update(t, b.Environment, b.own, func(own *expv1.OCIMeshMachinePool) { own.Spec.Shape = world.shape })
		b.until(t, func(g Gomega) {
			g.Expect(b.own.Status.Capacity).To(And(
				HaveKeyWithValue(corev1.ResourceCPU, resource.MustParse(world.cpu)), HaveKeyWithValue(corev1.ResourceMemory, resource.MustParse(world.memory))))
		})
		g.Expect(b.own.Status.NodeInfo).To(Equal(infrav1.NodeInfo{Architecture: world.architecture, OperatingSystem: "linux"}))
		b.untilReady(t, 0)
		looked := b.calls("ListShapes")
		for range 5 {
			g.Expect(b.pass(t.Context())).To(Succeed())
		}
		g.Expect(b.calls("ListShapes")).To(Equal(looked))
	}
}
