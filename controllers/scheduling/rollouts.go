// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
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
	// free are the accounts whose budget is Oracle's free allowance.
	free []string
}

// adviceFor finds out which changes make room for the machine, if it is budgets or limits that keep
// it out.
func (s *Scheduler) adviceFor(request Request, facts placement.Facts, decision placement.Decision) advice {
	out := advice{
		failureDomain: request.FailureDomain, owner: request.Owner, controlPlane: facts.ControlPlane, free: freeOf(facts),
	}
	if len(accountsWith(decision, placement.OverBudget))+len(accountsWith(decision, placement.OverLimit)) == 0 {
		return out
	}
	occupants, rollout := s.reservations.others(request, facts.Accounts)
	out.Advice, out.rollout = placement.Advise(facts, occupants), rollout
	return out
}

// freeOf are the accounts whose budget is Oracle's free allowance.
func freeOf(facts placement.Facts) (names []string) {
	for _, account := range facts.Accounts {
		if account.Budget.Free {
			names = append(names, account.Name)
		}
	}
	return names
}

// groups are sums over machines by what advice tells apart, so that a refusal costs as much among
// ten thousand machines as among ten. The zero value is ready.
type groups struct {
	// leaving is what machines use that are being deleted, by account.
	leaving map[string]map[placement.Use]placement.Size
	// mates are the others by group, and sets how many there are of each MachineSet.
	mates map[group]map[mate]int
	sets  map[group]map[string]int
}

// group is what machines of a cluster are spread among.
type group struct {
	cluster client.ObjectKey
	name    string
}

// mate is what a machine of a group uses of an account.
type mate struct {
	account string
	use     placement.Use
}

// count adds the machine, or takes it away.
func (g *groups) count(m machine, sign int) {
	if m.mark == (ownership.Mark{}) {
		return
	}
	if g.leaving == nil {
		g.leaving, g.mates = map[string]map[placement.Use]placement.Size{}, map[group]map[mate]int{}
		g.sets = map[group]map[string]int{}
	}
	of := group{m.cluster, m.group}
	if !m.leaving {
		add(inner(g.sets, of), m.set, sign)
	}
	for _, s := range m.shares() {
		switch {
		case s.at.Account == "":
		case m.leaving:
			sum(inner(g.leaving, s.at.Account), s.use(), s.size.Times(int64(sign)))
			drop(g.leaving, s.at.Account)
		default:
			use := s.use()
			use.Size = s.size
			add(inner(g.mates, of), mate{s.at.Account, use}, sign)
		}
	}
	drop(g.sets, of)
	drop(g.mates, of)
}

// drop keeps no map that is empty: clusters come and go.
func drop[K, L comparable, V any](of map[K]map[L]V, key K) {
	if len(of[key]) == 0 {
		delete(of, key)
	}
}

// others are the machines of all clusters but the one of the request, as far as they are in its
// group or on their way out of one of the accounts; those that use the same are one. rollout tells
// whether the machine is beyond what its owner wants in the end: there are more control planes than
// that, or a MachineDeployment has machines of another MachineSet.
func (r *reservations) others(request Request, accounts []placement.Account) (occupants []placement.Occupant, rollout bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	own := r.machines[request.Key]
	r.count(own, -1)
	defer r.count(own, 1)
	of := group{request.Cluster, groupOf(request.Labels)}
	for mate := range r.groups.mates[of] {
		occupants = append(occupants, placement.Occupant{Account: mate.account, Group: of.name, Use: mate.use})
	}
	occupants = append(occupants, r.groups.leavingFrom(accounts)...)
	if _, controlPlane := request.Labels[clusterv1.MachineControlPlaneLabel]; controlPlane {
		mates := 0
		for _, number := range r.groups.sets[of] {
			mates += number
		}
		return occupants, request.ControlPlanes >= leastWithoutSurge && mates >= request.ControlPlanes
	}
	for set := range r.groups.sets[of] {
		rollout = rollout || set != request.Labels[clusterv1.MachineSetNameLabel]
	}
	return occupants, rollout
}

// leaving is what machines that are being deleted use of the accounts.
func (r *reservations) leaving(accounts []placement.Account) []placement.Occupant {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.groups.leavingFrom(accounts)
}

func (g *groups) leavingFrom(accounts []placement.Account) (occupants []placement.Occupant) {
	for _, account := range accounts {
		for use, size := range g.leaving[account.Name] {
			use.Size = size
			occupants = append(occupants, placement.Occupant{Account: account.Name, Leaving: true, Use: use})
		}
	}
	return occupants
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
