// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"slices"
	"time"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// scope is what one reconcile knows.
type scope struct {
	// cluster is nil only if it is gone while its infrastructure is being deleted.
	cluster *clusterv1.Cluster
	infra   *infrav1.OCIMeshCluster
	options Options

	// machines are the cluster's. Set by findMachines.
	machines []infrav1.OCIMeshMachine
	// accounts are those of the spec, in its order. Set by findAccounts, filled in by
	// ensureNetworks.
	accounts []*accountState
	// left are accounts that are no longer in the spec while their network is. Set by leaveAccounts
	// and removeNetworks.
	left []*accountState
	// tailnet is set by findTailnet if the cluster may use it, Ready or not; tailnetProblem if it
	// cannot be used now.
	tailnet        *infrav1.Tailnet
	tailnetProblem *access.Problem
	// endpointProblem is set by ensureEndpoint.
	endpointProblem *access.Problem
	// waitsFor is what holds up a deletion. Set by the phases of the deletion.
	waitsFor *access.Problem
	// version is the object's resource version after a write of this pass; empty if there was none.
	// The object keeps the one that was read: the patch at the end would take another one for a
	// condition of the patch.
	version string
	// removed is set once the finalizer is off.
	removed bool
}

// accountState is what one reconcile knows of an account.
type accountState struct {
	name string
	// spec is nil for an account that left the spec.
	spec *infrav1.ClusterAccount
	// account is nil if it does not exist or may not be used.
	account *infrav1.OCIAccount
	// problem is why the account cannot be used.
	problem *access.Problem
	// unseen is set if the account's controller has not looked at the account yet.
	unseen bool
	// network is what is there, as far as known; networkProblem why it is not Ready.
	network        network.State
	networkProblem *access.Problem
	// claim tells which management cluster holds the network.
	claim infrav1.ClaimStatus
	// gone is set once it is proven that no network is left.
	gone bool
}

func (a *accountState) usable() bool { return a.problem == nil }

func (a *accountState) ready() bool { return a.usable() && a.network.Ready }

func (a *accountState) controlPlane() bool {
	return a.spec != nil && (a.spec.ControlPlane == nil || *a.spec.ControlPlane)
}

// inProgress tells whether the account will soon be usable by itself.
func (a *accountState) inProgress() bool {
	return a.unseen || (a.networkProblem != nil && (a.networkProblem.Reason == infrav1.NetworkProvisioningReason ||
		a.networkProblem.Reason == infrav1.ClaimingReason))
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

// next is when the cluster is looked at again.
func (s *scope) next() time.Duration {
	if s.removed {
		return 0
	}
	wait := s.options.PollInterval
	for _, account := range slices.Concat(s.accounts, s.left) {
		for _, problem := range []*access.Problem{account.problem, account.networkProblem} {
			wait = min(wait, s.patience(problem))
		}
	}
	wait = min(wait, s.patience(s.endpointProblem), s.patience(s.waitsFor))
	return report.Jitter(wait)
}

// patience is how long to wait before a problem is looked at again.
func (s *scope) patience(problem *access.Problem) time.Duration {
	if problem == nil {
		return s.options.PollInterval
	}
	switch problem.Reason {
	case infrav1.NetworkProvisioningReason, infrav1.EndpointProvisioningReason, infrav1.DeletingReason, infrav1.ClaimingReason:
		return s.options.ProgressInterval
	case infrav1.UnavailableReason, infrav1.ThrottledReason, infrav1.NetworkInUseReason,
		infrav1.LoadBalancerInUseReason, infrav1.WaitingForAccountReason:
		return max(5*s.options.ProgressInterval, problem.RetryAfter)
	}
	return s.options.PollInterval
}
