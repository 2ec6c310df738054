// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// leastWithoutSurge is how many replicas a KubeadmControlPlane with maxSurge 0 has at least.
// Source: cluster-api v1.14 controlplane/kubeadm/webhooks/admission/kubeadmcontrolplane.go.
const leastWithoutSurge = 3

// advice is what a refusal says of the machine itself.
type advice struct {
	placement.Advice
	// failureDomain is the Machine's; owner is as in Request.
	failureDomain, owner string
	// rollout says that the machine is to replace an older one, whose end it does not wait for;
	// controlPlane that it is a control plane.
	rollout, controlPlane bool
}

// adviceFor finds out which changes make room for the machine, if it is budgets or limits that keep
// it out.
func (s *Scheduler) adviceFor(request Request, facts placement.Facts, decision placement.Decision) advice {
	out := advice{failureDomain: request.FailureDomain, owner: request.Owner, controlPlane: facts.ControlPlane}
	if len(accountsWith(decision, placement.OverBudget))+len(accountsWith(decision, placement.OverLimit)) == 0 {
		return out
	}
	occupants, rollout := s.reservations.others(request)
	out.Advice, out.rollout = placement.Advise(facts, occupants), rollout
	return out
}

// others are the machines of all clusters but the one of the request, as far as they use something.
// rollout tells whether that one is beyond what its owner wants in the end: there are more control
// planes than that, or a MachineDeployment has machines of another MachineSet.
func (r *reservations) others(request Request) (occupants []placement.Occupant, rollout bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	group, set := groupOf(request.Labels), request.Labels[clusterv1.MachineSetNameLabel]
	_, controlPlane := request.Labels[clusterv1.MachineControlPlaneLabel]
	mates := 0
	for key, m := range r.machines {
		if key == request.Key {
			continue
		}
		own := m.cluster == request.Cluster && m.group == group
		if own && !m.leaving {
			mates++
			rollout = rollout || (!controlPlane && m.set != set)
		}
		occupants = append(occupants, m.occupies(own)...)
	}
	if controlPlane {
		rollout = request.ControlPlanes >= leastWithoutSurge && mates >= request.ControlPlanes
	}
	return occupants, rollout
}

// occupies is what the machine uses, of its group if it is the request's.
func (m machine) occupies(ofGroup bool) (out []placement.Occupant) {
	for _, s := range []share{m.recorded, m.reserved} {
		if s.at.Account == "" {
			continue
		}
		use := s.use()
		use.Size = s.size
		occupant := placement.Occupant{Account: s.at.Account, Leaving: m.leaving, Use: use}
		if ofGroup {
			occupant.Group = m.group
		}
		out = append(out, occupant)
	}
	return out
}

// changes are those of the machine and its owner that make it fit.
func (a advice) changes() (changes []string) {
	if a.Leaving {
		return []string{"wait until the machines that are being deleted are gone: then it fits"}
	}
	if a.rollout && a.InPlaceOf != "" {
		surge := "maxSurge: 0"
		if !a.controlPlane {
			surge += " and maxUnavailable: 1"
		}
		changes = append(changes, fmt.Sprintf("set %s on %s, so that an old machine goes first: in its place in account %s the new one fits",
			surge, a.owner, a.InPlaceOf))
	}
	return changes
}

// shapes is what to change of the machine's shapes.
func (a advice) shapes() string {
	if a.Smaller == nil {
		return "allow other shapes"
	}
	return fmt.Sprintf("choose a smaller size: account %s has room for one of %d OCPUs and %d GB of memory of %s",
		a.Smaller.Account, a.Smaller.OCPUs, a.Smaller.MemoryGB, a.Smaller.Shape)
}
