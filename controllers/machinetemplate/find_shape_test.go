// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinetemplate

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/ocisim/sim"
)

func TestWhyACapacityIsNotKnown(t *testing.T) {
	a1 := infrav1.Shape{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12}
	for name, world := range map[string]struct {
		shape   infrav1.Shape
		prepare func(*testing.T, *helpers.World)
		want    string
	}{
		"no account is ready": {a1, func(*testing.T, *helpers.World) {}, "CapacityKnown False NoAccount"},
		"no account allows the namespace": {
			a1, func(t *testing.T, w *helpers.World) {
				w.MakeReady(t)
				helpers.Update(t, w.Environment, w.Accounts[0], func(account *infrav1.OCIAccount) {
					account.Spec.AllowedNamespaces.List = []string{"somebody-elses"}
				})
			}, "CapacityKnown False NoAccount",
		},
		"nobody knows the shape": {
			infrav1.Shape{Name: "VM.Standard.Z9.Flex", OCPUs: 1, MemoryGB: 1},
			func(t *testing.T, w *helpers.World) { w.MakeReady(t) }, "CapacityKnown False ShapeUnknown",
		},
		"the account does not answer": {
			a1, func(t *testing.T, w *helpers.World) {
				w.MakeReady(t)
				w.OCI.AddFault(sim.Fault{Operation: "ListShapes", Status: 503, Code: "ServiceUnavailable"})
			}, "CapacityKnown False Unavailable",
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
			world.prepare(t, w)
			template := newTemplate(w, "template", world.shape)
			w.Create(t, template)
			result := pass(t, w, template)

			helpers.ExpectConditions(t, template, world.want)
			g.Expect(template.Status.Capacity).To(BeEmpty())
			g.Expect(result.RequeueAfter).NotTo(BeZero())
		})
	}
}
