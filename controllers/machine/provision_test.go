// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/helpers"
)

// done is a control plane behind a load balancer after all phases but the last.
func done() *scope {
	return &scope{
		own: &infrav1.OCIMeshMachine{Status: infrav1.OCIMeshMachineStatus{
			Instance: infrav1.InstanceStatus{ID: "ocid1.instance.oc1..a", PrivateIP: "10.0.0.2"},
			Backend:  infrav1.BackendStatus{Name: "control-plane"},
		}},
		machine: &clusterv1.Machine{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{clusterv1.MachineControlPlaneLabel: ""}}},
		infraCluster: &infrav1.OCIMeshCluster{Spec: infrav1.OCIMeshClusterSpec{
			EndpointType: infrav1.EndpointLoadBalancer,
		}},
		instance: &oci.Instance{Resource: oci.Resource{State: oci.StateRunning}},
		observed: tailnetnode.Observed{Device: &tailnet.Device{}},
	}
}

// waits are the phases without which a machine must not be handed over, by what undoes them. Those
// with nil need not be asked: they end the pass while they wait, or a new machine does without.
var waits = map[string]func(*scope){
	"prerequisites": nil, "adopt": nil, "place": nil, "bootstrap data": nil, "tailnet key": nil, "launch": nil,
	"observe instance":   func(s *scope) { s.instance = nil },
	"update":             nil,
	"update versions":    nil,
	"start instance":     func(s *scope) { s.instance.State = oci.StateStopped },
	"join load balancer": func(s *scope) { s.own.Status.Backend.Name = "" },
	"observe device":     func(s *scope) { s.observed.Device = nil },
	"uncordon":           nil,
	"read console":       nil,
	"provision":          nil,
}

func TestAMachineIsNotHandedOverBeforeWhatItNeedsIsDone(t *testing.T) {
	r, whole := &Reconciler{}, done()
	NewWithT(t).Expect(r.provision(t.Context(), whole)).To(Succeed())
	NewWithT(t).Expect(whole.own.Spec.ProviderID).NotTo(BeEmpty())
	for _, phase := range r.normalPhases() {
		t.Run(phase.Name, func(t *testing.T) {
			g := NewWithT(t)
			undo, said := waits[phase.Name]
			g.Expect(said).To(BeTrue(), "may a machine be handed over before this phase is done? Say so in waits")
			if undo == nil {
				return
			}
			s := done()
			undo(s)
			g.Expect(r.provision(t.Context(), s)).To(Succeed())
			g.Expect(s.own.Spec.ProviderID).To(BeEmpty())
		})
	}
}

func TestTheLastStepUpIsOneWriteOfTheSpecAndOneOfTheStatus(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")

	w := b.lastPass(t, own, func(*writer) {})

	g := NewWithT(t)
	g.Expect(w.writes).To(Equal([]string{"object", "status"}))
	helpers.ExpectConditions(t, own, allIsWell...)
	for _, condition := range own.Status.Conditions {
		g.Expect(condition.ObservedGeneration).To(Equal(own.Generation), condition.Type)
	}
	b.pass(t, own)
	g.Expect(w.writes).To(Equal([]string{"object", "status"}), "nothing is left to be written")
}

func TestTheLastStepUpIsMergedWithWhatOthersWroteMeanwhile(t *testing.T) {
	t.Parallel()
	b := newBench(t, helpers.WorldOptions{})
	own := b.machine(t, "worker")

	w := b.lastPass(t, own, func(w *writer) { w.refusal = writtenMeanwhile })

	NewWithT(t).Expect(w.writes).To(Equal([]string{"object", "merged status", "object", "merged status"}), "what was refused is merged in the same pass")
	NewWithT(t).Expect(own.Spec.ProviderID).To(Equal(cloud.ProviderID(own.Status.Instance.ID)))
	helpers.ExpectConditions(t, own, allIsWell...)
}
