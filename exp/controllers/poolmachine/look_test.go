// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/sim"
)

// What cannot be looked at may be there. OCI answers 404 for that too, but then not even the
// compartment can be read.
func TestAnInstanceThatCannotBeLookedAtKeepsItsObject(t *testing.T) {
	for name, faults := range map[string][]sim.Fault{
		"OCI does not answer":          {{Operation: "GetInstance", Status: 503, Code: "ServiceUnavailable", Times: -1}},
		"the account's key is refused": {{Operation: "GetInstance", Status: 401, Code: "NotAuthenticated", Times: -1}},
		"the account's policy is gone": {
			{Operation: "GetInstance", Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1},
			{Operation: "ListInstances", Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			object := b.node(t)
			for _, fault := range faults {
				b.OCI.AddFault(fault)
			}
			b.untilDeletionWaits(t, object, "WaitingForAccount")
			for range 3 {
				b.pass(t, g, object)
			}
			b.Reload(t, object)
			b.expectUntouched(t)

			b.OCI.ClearFaults()
			b.untilGone(t, object)
			g.Expect(b.state()).To(Equal("TERMINATED"))
		})
	}
}

// Somebody was faster, or OCI took the instance back.
func TestAnInstanceThatIsGoneIsNotAskedToGo(t *testing.T) {
	for name, gone := range map[string]func(t *testing.T, b *bench, object client.Object){
		"it is still listed as TERMINATED": func(t *testing.T, b *bench, _ client.Object) {
			g := NewWithT(t)
			g.Expect(b.OCI.TerminateInstance(b.instance)).To(Succeed())
			eventually(g, func(g Gomega) { g.Expect(b.state()).To(Equal("TERMINATED")) })
		},
		"OCI has forgotten it": func(t *testing.T, b *bench, object client.Object) {
			b.status(t, object, `{"account":%q,"instance":{"id":%q}}`, b.Accounts[0].Name, b.instance)
			b.OCI.AddFault(sim.Fault{Operation: "GetInstance", Status: 404, Code: "NotAuthorizedOrNotFound", Times: -1})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			b := newBench(t)
			object := b.node(t)
			gone(t, b, object)
			device := b.join(object)

			b.delete(t, object)

			g.Expect(b.calls("TerminateInstance") + b.calls("DetachInstancePoolInstance")).To(BeZero())
			g.Expect(b.recorder.Events()).NotTo(ContainElement(ContainSubstring("InstanceNotOwned")))
			if name == "it is still listed as TERMINATED" {
				g.Expect(b.Control.Devices()).To(BeEmpty(), "device %s goes all the same", device.Name)
			}
		})
	}
}
