// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinetemplate

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/resource"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

func TestTheCapacityIsThatOfTheFirstShape(t *testing.T) {
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
	w.MakeReady(t)
	for name, world := range map[string]struct {
		shape       infrav1.Shape
		cpu, memory string
		arch        infrav1.Architecture
	}{
		"arm-flexible": {infrav1.Shape{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12}, "2", "12Gi", infrav1.ArchitectureArm64},
		"x86-flexible": {infrav1.Shape{Name: "VM.Standard.E5.Flex", OCPUs: 2, MemoryGB: 12}, "4", "12Gi", infrav1.ArchitectureAmd64},
		"x86-fixed":    {infrav1.Shape{Name: "VM.Standard.E2.1.Micro"}, "2", "1Gi", infrav1.ArchitectureAmd64},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			template := newTemplate(w, name, world.shape)
			w.Create(t, template)
			pass(t, w, template)

			g.Expect(template.Status.Capacity.Cpu().Cmp(resource.MustParse(world.cpu))).To(BeZero(), template.Status.Capacity.Cpu().String())
			g.Expect(template.Status.Capacity.Memory().Cmp(resource.MustParse(world.memory))).To(BeZero())
			g.Expect(template.Status.NodeInfo).To(Equal(infrav1.NodeInfo{Architecture: world.arch, OperatingSystem: "linux"}))
			helpers.ExpectConditions(t, template, "CapacityKnown True Ready")
			calls := len(w.OCI.Calls())
			pass(t, w, template)
			g.Expect(w.OCI.Calls()).To(HaveLen(calls), "what is known is not asked for again")
		})
	}
}
