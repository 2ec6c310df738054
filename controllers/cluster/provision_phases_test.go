// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// done is a cluster of one account after all phases before provision.
func done() *scope {
	return &scope{
		infra: &infrav1.OCIMeshCluster{Spec: infrav1.OCIMeshClusterSpec{
			ControlPlaneEndpoint: infrav1.APIEndpoint{Host: "10.250.0.1", Port: 6443},
		}},
		accounts: []*accountState{{spec: &infrav1.ClusterAccount{Name: "alice"}, network: network.State{Ready: true}}},
	}
}

// waits are the worlds in which no machine may be made, by the phase that is not done. Phases with
// none end the pass while they wait, or machines may be made before.
var waits = map[string]map[string]func(*scope){
	"select endpoint": {}, "find machines": {}, "record accounts": {}, "leave accounts": {}, "compare ranges": {},
	"provision": {}, "list failure domains": {},
	"find accounts": {
		"the account cannot be used": func(s *scope) { s.accounts[0].problem = access.NewProblem(infrav1.AccountNotFoundReason, "gone") },
		"it is yet to be checked":    func(s *scope) { s.accounts[0].unchecked = true },
	},
	"find tailnet": {
		"it is not there": func(s *scope) { s.Note(infrav1.TailnetReadyCondition, infrav1.TailnetNotFoundReason, "gone") },
	},
	"ensure networks": {
		"there is none": func(s *scope) { s.accounts[0].network.Ready = false },
		"it is being made": func(s *scope) {
			s.accounts[0].networkProblem = access.NewProblem(infrav1.NetworkProvisioningReason, "under way")
		},
	},
	"ensure endpoint": {
		"it has no address": func(s *scope) { s.infra.Spec.ControlPlaneEndpoint = infrav1.APIEndpoint{} },
		"it has a problem":  func(s *scope) { s.Note(infrav1.EndpointReadyCondition, infrav1.EndpointFailedReason, "no") },
	},
}

func TestNoMachineMayBeMadeBeforeWhatItNeedsIsDone(t *testing.T) {
	whole := done()
	NewWithT(t).Expect(provision(t.Context(), whole)).To(Succeed())
	NewWithT(t).Expect(isProvisioned(whole.infra)).To(BeTrue())
	for _, phase := range (&Reconciler{}).normalPhases() {
		worlds, said := waits[phase.Name]
		NewWithT(t).Expect(said).To(BeTrue(), "may machines be made before phase %q is done? Say so in waits", phase.Name)
		for name, undo := range worlds {
			t.Run(phase.Name+": "+name, func(t *testing.T) {
				g := NewWithT(t)
				s := done()
				undo(s)
				g.Expect(provision(t.Context(), s)).To(Succeed())
				g.Expect(isProvisioned(s.infra)).To(BeFalse())
			})
		}
	}
}
