// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"slices"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// scope is what one pass knows.
type scope struct {
	phases.Pass
	// cluster is nil only if it is gone while its infrastructure is being deleted.
	cluster *clusterv1.Cluster
	infra   *infrav1.OCIMeshCluster
	options Options

	// endpoint is the strategy for the endpoint type. Set by selectEndpoint.
	endpoint endpoint
	// machines are the cluster's. Set by findMachines.
	machines []infrav1.OCIMeshMachine
	// accounts are those of the spec, in its order; nil in a deletion and until they are found. Set
	// by findAccounts; ensureNetworks fills them in.
	accounts []*accountState
	// former are accounts that are no longer in the spec while their network is; in a deletion, all
	// that have one. Set by leaveAccounts and newScope.
	former []*accountState
	// tailnet is nil unless the cluster may use it, Ready or not. Set by findTailnet.
	tailnet *infrav1.Tailnet
	// version is the object's resource version after a write of this pass; empty if there was none.
	// The object keeps the one that was read: the patch at the end would take another one for a
	// condition of the patch. Set by record.
	version string
	// removed is true once the finalizer is off. Set by removeFinalizer.
	removed bool
}

func newScope(cluster *clusterv1.Cluster, infra *infrav1.OCIMeshCluster, options Options) *scope {
	s := &scope{Pass: phases.Pass{Intervals: options.Intervals}, cluster: cluster, infra: infra, options: options}
	if s.deleting() {
		for _, name := range recorded(infra) {
			s.former = append(s.former, lastState(infra, name))
		}
	}
	return s
}

func (s *scope) deleting() bool { return !s.infra.DeletionTimestamp.IsZero() }

// accountState is what one pass knows of an account.
type accountState struct {
	name string
	// spec is nil for an account that left the spec.
	spec *infrav1.ClusterAccount
	// account is nil if it does not exist or may not be used.
	account *infrav1.OCIAccount
	// problem is why the account cannot be used.
	problem *access.Problem
	// unchecked is set if the account's controller has not checked the account yet.
	unchecked bool
	// network is what is there, as far as known; networkProblem why it is not Ready.
	network        network.State
	networkProblem *access.Problem
	// claim tells which management cluster holds the network.
	claim infrav1.ClaimStatus
	// gone is set once it is proven that no network is left.
	gone bool
	// former is set for an account of the spec with a network of the user's while the one that was
	// made before is not proven gone. Set by ensureNetworks.
	former bool
	// outdated is set for an account that gets a managed network while the status has a network of
	// before. Set by recordAccounts.
	outdated bool
}

func (a *accountState) usable() bool { return a.problem == nil }

func (a *accountState) ready() bool { return a.usable() && a.network.Ready }

func (a *accountState) controlPlane() bool {
	return a.spec != nil && (a.spec.ControlPlane == nil || *a.spec.ControlPlane)
}

// inProgress tells whether the account will soon be usable by itself.
func (a *accountState) inProgress() bool {
	return a.unchecked || a.networkPace() == phases.UnderWay ||
		(a.networkProblem != nil && a.networkProblem.Reason == infrav1.ClaimingReason)
}

// networkPace is how soon the network may be Ready, by what is wrong with it.
func (a *accountState) networkPace() phases.Pace {
	if a.networkProblem == nil {
		return phases.AtRest
	}
	return phases.PaceOf(a.networkProblem.Reason)
}

// hasExisting tells whether the cluster has a network of the user's in the account.
func (s *scope) hasExisting(account string) bool {
	return slices.ContainsFunc(s.infra.Spec.Accounts, func(a infrav1.ClusterAccount) bool {
		return a.Name == account && a.Network.Managed == nil
	})
}

// machinesIn counts the cluster's machines that are placed in the account.
func (s *scope) machinesIn(account string) int {
	n := 0
	for i := range s.machines {
		if s.machines[i].Status.Placement.Account == account {
			n++
		}
	}
	return n
}

// requeue asks for the next pass: soon, if the network of an account changes or will be back by
// itself.
func (s *scope) requeue() {
	s.Requeue(s.Intervals.After(nil))
	for _, account := range slices.Concat(s.accounts, s.former) {
		for _, problem := range []*access.Problem{account.problem, account.networkProblem} {
			s.Requeue(s.Intervals.After(problem))
		}
	}
}

// stopUnlessTold ends the pass with an error that is no problem of the user's: what the phase looks
// at is not known then. It returns the error.
func (s *scope) stopUnlessTold(err error) error {
	if err != nil && access.AsProblem(err).Reason == infrav1.InternalErrorReason {
		s.Stop()
	}
	return err
}
