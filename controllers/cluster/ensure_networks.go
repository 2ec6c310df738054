// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

// maxConcurrentAccounts is how many accounts of a cluster are dealt with at once.
const maxConcurrentAccounts = 10

// eachAccount runs work for the accounts at once, each within the account's time.
func eachAccount(ctx context.Context, s *scope, accounts []*accountState, work func(context.Context, *accountState)) {
	slots := make(chan struct{}, maxConcurrentAccounts)
	var all sync.WaitGroup
	for _, account := range accounts {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			bounded, cancel := context.WithTimeout(ctx, s.options.AccountTimeout)
			defer cancel()
			work(oci.Patient(bounded), account)
		})
	}
	all.Wait()
}

// ensureNetworks makes the networks of all usable accounts, or looks at those of the user's.
func (r *Reconciler) ensureNetworks(ctx context.Context, s *scope) error {
	var usable []*accountState
	for _, account := range s.accounts {
		if account.outdated {
			account.lookAgain()
			continue
		}
		last := lastState(s.infra, account.name)
		account.network, account.claim = last.network, last.claim
		account.former = s.hasBoth(account)
		if account.usable() && !account.former {
			usable = append(usable, account)
		}
	}
	eachAccount(ctx, s, usable, func(ctx context.Context, account *accountState) { r.ensureNetwork(ctx, s, account) })
	return ctx.Err()
}

// lookAgain drops what is known of the account's network: the next pass looks at the one of the
// spec.
func (a *accountState) lookAgain() {
	a.network, a.claim = network.State{}, infrav1.ClaimStatus{}
	a.networkProblem = access.NewProblem(infrav1.NetworkProvisioningReason, "Looking at the network")
}

// hasBoth tells whether the account left the cluster with a network of the provider's and returned
// with one of the user's. An account that is recorded had one made, unless it is for the load
// balancer, and that one cannot leave.
func (s *scope) hasBoth(account *accountState) bool {
	return account.spec.Network.Managed == nil && account.name != s.infra.LoadBalancerAccount() &&
		slices.Contains(recorded(s.infra), account.name)
}

func (r *Reconciler) ensureNetwork(ctx context.Context, s *scope, account *accountState) {
	client, err := r.Clients.OCI(ctx, account.account)
	if err != nil {
		account.problem = access.AsProblem(err)
		return
	}
	key := accountKey{s.infra.UID, account.name}
	looks := r.looks(s, account.name)
	if state, ok := r.cache.network(key, client, account.spec.Network, looks); ok {
		account.network = state
		return
	}
	r.cache.endRemoval(key)
	var state network.State
	var after time.Duration
	holder, began := r.holder(s, account.name, account.claim, account.network.VCNID), time.Now()
	if managed := account.spec.Network.Managed; managed != nil {
		look := r.cache.look(key, client, account.spec.Network, r.cache.waits(s.Intervals.Progress))
		owner := identity.OfCluster(s.infra).HeldBy(holder)
		state, err = network.Ensure(ctx, look, owner, *managed, account.network.VCNID, balancerPort(s, account))
		if after = look.After(); err != nil || state.Ready || looks.always() {
			r.cache.dropLook(key)
		}
		logNetwork(ctx, account, state)
	} else {
		state, err = network.Verify(ctx, client, identity.OfCluster(s.infra), account.spec.Network.Existing)
	}
	if state.VCNID != "" {
		account.network = state
	}
	account.claim = r.nextClaim(s, holder, state.Claim, state.VCNID, began)
	claiming := isClaiming(state.Claim)
	state.Claim, account.network.Claim = nil, nil
	switch {
	case claiming && err == nil:
		account.networkProblem = access.NewProblem(infrav1.ClaimingReason, "%s", sentence(network.Claiming))
	case err != nil:
		account.network.Ready = false
		account.networkProblem = networkProblem(err, state.Doing)
	case !state.Ready:
		account.networkProblem = access.NewProblem(infrav1.NetworkProvisioningReason, "Creating or updating %s", state.Doing)
		account.networkProblem.RetryAfter = after
	case !account.claim.State.IsPending():
		r.cache.setNetwork(key, client, account.spec.Network, state)
	}
}

// logNetwork logs what became of the account's network since the last pass.
func logNetwork(ctx context.Context, account *accountState, now network.State) {
	log := ctrl.LoggerFrom(ctx).WithValues("OCIAccount", klog.KObj(account.account), "vcn", now.VCNID)
	switch {
	case now.Ready && now.SubnetID != account.network.SubnetID:
		log.Info("The network is ready", "subnet", now.SubnetID)
	case !now.Ready && now.VCNID != "" && now.VCNID != account.network.VCNID:
		log.Info("Creating the network")
	}
}

// balancerPort is the API server's port if the load balancer is in the account, else 0.
func balancerPort(s *scope, account *accountState) int {
	if s.infra.LoadBalancerAccount() != account.name {
		return 0
	}
	return int(endpointPort(s))
}

// networkProblem keeps the reasons that have a remedy of their own; other refusals are the
// network's.
func networkProblem(err error, doing string) *access.Problem {
	problem := *access.AsProblem(err)
	switch problem.Reason {
	case infrav1.LimitExceededReason, infrav1.QuotaExceededReason, infrav1.RequestRefusedReason, infrav1.ConflictReason,
		infrav1.OutOfCapacityReason:
		problem.Reason = infrav1.NetworkFailedReason
	}
	if doing != "" {
		problem.Message = fmt.Sprintf("%s: %s", sentence(doing), problem.Message)
	}
	return &problem
}

// lastState is the account's network as the status has it: not a basis for decisions, but better
// than nothing while the account does not answer.
func lastState(infra *infrav1.OCIMeshCluster, account string) *accountState {
	state := &accountState{name: account}
	for _, status := range infra.Status.Accounts {
		if status.Name == account {
			state.claim = status.Claim
			state.network = network.State{
				VCNID: status.VCNID, SubnetID: status.SubnetID, NetworkSecurityGroupIDs: status.NetworkSecurityGroupIDs,
				PublicIP: status.PublicIP != nil && *status.PublicIP, Ranges: cloud.Networks(status.Ranges),
			}
		}
	}
	return state
}
