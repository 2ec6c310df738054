// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"testing"

	. "github.com/onsi/gomega"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// done is a machine after all phases but the last.
func done() *scope {
	return &scope{
		own: &expv1.OCIMeshMachinePoolMachine{Status: expv1.OCIMeshMachinePoolMachineStatus{
			Instance: infrav1.InstanceStatus{ID: "ocid1.instance.oc1..a", PrivateIP: "10.0.0.2"},
		}},
		instance: &oci.Instance{Resource: oci.Resource{State: oci.StateRunning}},
		observed: tailnetnode.Observed{Device: &tailnet.Device{}},
	}
}

// waits are the worlds in which a machine must not be handed over, by the phase that is not done.
// Phases with none end the pass while they wait.
var waits = map[string]map[string]func(*scope){
	"connect": {}, "hold": {}, "connect tailnet": {}, "provision": {},
	"observe instance": {
		"it was not seen":           func(s *scope) { s.instance = nil },
		"it does not run":           func(s *scope) { s.instance.State = oci.StateStopped },
		"its address is not known":  func(s *scope) { s.own.Status.Instance.PrivateIP = "" },
		"it is only being launched": func(s *scope) { s.instance.State = oci.StateProvisioning },
	},
	"observe device": {
		"it has not joined": func(s *scope) { s.observed.Device = nil },
	},
}

func TestAMachineIsNotHandedOverBeforeWhatItNeedsIsDone(t *testing.T) {
	r, whole := &Reconciler{}, done()
	NewWithT(t).Expect(r.provision(t.Context(), whole)).To(Succeed())
	NewWithT(t).Expect(whole.own.Status.Initialization.IsProvisioned()).To(BeTrue())
	for _, phase := range r.normalPhases() {
		worlds, said := waits[phase.Name]
		NewWithT(t).Expect(said).To(BeTrue(), "may a machine be handed over before phase %q is done? Say so in waits", phase.Name)
		for name, undo := range worlds {
			t.Run(phase.Name+": "+name, func(t *testing.T) {
				g := NewWithT(t)
				s := done()
				undo(s)
				g.Expect(r.provision(t.Context(), s)).To(Succeed())
				g.Expect(s.own.Status.Initialization.IsProvisioned()).To(BeFalse())
			})
		}
	}
}
