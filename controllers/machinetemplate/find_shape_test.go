// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinetemplate

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

func TestAShapeThatNoAccountKnowsIsTold(t *testing.T) {
	a1 := infrav1.Shape{Name: "VM.Standard.A1.Flex", OCPUs: 2, MemoryGB: 12}
	for name, world := range map[string]struct {
		shape   infrav1.Shape
		fault   sim.Fault
		want    string
		message string
		after   time.Duration
	}{
		"nobody knows the shape": {
			infrav1.Shape{Name: "VM.Standard.Z9.Flex", OCPUs: 1, MemoryGB: 1}, sim.Fault{Operation: "none"},
			"CapacityKnown False ShapeUnknown", "None of the accounts knows shape VM.Standard.Z9.Flex", 5 * time.Minute,
		},
		"the account does not answer": {
			a1, sim.Fault{Operation: "ListShapes", Status: 503, Code: "ServiceUnavailable"},
			"CapacityKnown False Unavailable", "Account ", 10 * time.Second,
		},
		"the account does not allow to ask": {
			a1, sim.Fault{Operation: "ListShapes", Status: 404, Code: "NotAuthorizedOrNotFound"},
			"CapacityKnown False NotAuthorizedOrNotFound", "Account ", 5 * time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1})
			w.MakeReady(t)
			w.OCI.AddFault(world.fault)
			template := newTemplate(w, "template", world.shape)
			w.Create(t, template)
			result := pass(t, w, template)

			helpers.ExpectConditions(t, template, world.want)
			g.Expect(template.Status.Capacity).To(BeEmpty())
			g.Expect(helpers.MessageOf(template, infrav1.CapacityKnownCondition)).To(HavePrefix(world.message))
			g.Expect(result.RequeueAfter).To(BeNumerically("~", world.after, world.after/8))
		})
	}
}

func TestATemplateDoesNotWaitForItsTurnAtAnAccountThatIsBusy(t *testing.T) {
	g := NewWithT(t)
	limits := oci.Unlimited()
	limits.Reads = oci.Budget{PerSecond: 1e-3, Burst: 1}
	w := helpers.NewWorld(t, env, helpers.WorldOptions{Accounts: 1, Limits: &limits})
	w.MakeReady(t)
	c, err := w.Clients.OCI(t.Context(), w.Accounts[0])
	g.Expect(err).NotTo(HaveOccurred())
	for err == nil {
		_, err = c.Shapes(t.Context(), "")
	}
	template := newTemplate(w, "template", infrav1.Shape{Name: "VM.Standard.E2.1.Micro"})
	w.Create(t, template)

	result := pass(t, w, template)

	helpers.ExpectConditions(t, template, "CapacityKnown False Throttled")
	g.Expect(result.RequeueAfter).NotTo(BeZero())
}
