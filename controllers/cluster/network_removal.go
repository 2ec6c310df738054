// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

// removeFrom removes the cluster's networks from the accounts, as far as it goes without waiting,
// and forgets those accounts that are proven to have none.
func (r *Reconciler) removeFrom(ctx context.Context, s *scope, accounts []*accountState) error {
	eachAccount(ctx, s, accounts, func(ctx context.Context, account *accountState) {
		if !account.gone {
			r.removeNetwork(ctx, s, account)
		}
	})
	remaining := recorded(s.infra)
	for _, account := range accounts {
		if account.gone {
			remaining = slices.DeleteFunc(remaining, func(name string) bool { return name == account.name })
		}
	}
	if err := r.record(ctx, s, remaining); err != nil {
		return client.IgnoreNotFound(err)
	}
	s.former = slices.DeleteFunc(s.former, func(account *accountState) bool { return account.gone })
	return nil
}

func (r *Reconciler) removeNetwork(ctx context.Context, s *scope, account *accountState) {
	key := accountKey{s.infra.UID, account.name}
	r.cache.beginRemoval(key)
	holder, began := r.holder(s, account.name, account.claim, account.network.VCNID), time.Now()
	removal, err := r.deleteNetwork(ctx, s, account, holder)
	if removal.VCNID != "" {
		account.network.VCNID = removal.VCNID
	}
	account.claim = r.nextClaim(s, holder, removal.Claim, removal.VCNID, began)
	switch {
	case err != nil:
		account.networkProblem = cannotDelete("network", account.name, err)
	case removal.Doing == network.Claiming:
		account.networkProblem = r.waitsForClaim("The network in OCIAccount " + account.name)
	case removal.InUse != "":
		account.networkProblem = access.NewProblem(infrav1.NetworkInUseReason, "%s in OCIAccount %s cannot be deleted while something is in it: %s",
			sentence(removal.Doing), account.name, removal.InUse)
	case !removal.Gone:
		account.networkProblem = access.NewProblem(infrav1.DeletingReason, "Deleting %s in OCIAccount %s", removal.Doing, account.name)
		account.networkProblem.RetryAfter = removal.After
	case account.network.VCNID == "" && len(removal.Elsewhere) == 0 && !r.cache.emptyFor(key, s.options.ListLag):
		// A VCN made a moment ago, whose OCID was lost in a crash, may not be listed yet.
		account.networkProblem = access.NewProblem(infrav1.DeletingReason, "Checking that OCIAccount %s has no network", account.name)
	default:
		account.gone = true
		r.cache.dropNetwork(key)
		for _, other := range removal.Elsewhere {
			claims.Left(r.Recorder, s.infra, other.Claim, "VCN "+other.ID)
		}
		vcn := account.network.VCNID
		switch {
		case vcn == "" || len(removal.Elsewhere) > 0:
		case !removal.Untagged:
			ctrl.LoggerFrom(ctx).Info("Deleted the network", "OCIAccount", klog.KRef("", account.name), "vcn", vcn)
		case !s.hasExisting(account.name):
			leftUntagged(r.Recorder, s.infra, "VCN "+vcn)
		}
	}
}

// leftUntagged tells that something stays because it does not carry the cluster's tags any more.
func leftUntagged(recorder events.EventRecorder, infra *infrav1.OCIMeshCluster, what string) {
	if recorder != nil {
		owner := identity.OfCluster(infra)
		recorder.Eventf(infra, nil, corev1.EventTypeWarning, "LeftUntagged", "Delete",
			"%s stays: it does not carry the tags of cluster %s any more (%s=%s): delete it if nobody needs it",
			what, owner, infrav1.ClusterUIDTag, owner.Identity())
	}
}

// cannotDelete is the problem of something that can neither be deleted nor proven gone.
func cannotDelete(what, account string, err error) *access.Problem {
	problem := *access.AsProblem(err)
	problem.Message = fmt.Sprintf("The %s in OCIAccount %s cannot be deleted: %s: %s", what, account, problem.Reason, problem.Message)
	problem.Reason = infrav1.WaitingForAccountReason
	return &problem
}

func (r *Reconciler) deleteNetwork(
	ctx context.Context, s *scope, account *accountState, holder ownership.Holder,
) (network.Removal, error) {
	c, err := r.clientOf(ctx, s, account.name)
	if err != nil {
		return network.Removal{}, err
	}
	key := accountKey{s.infra.UID, account.name}
	clearing := r.cache.clearing(key, c, r.cache.waits(s.Intervals.Progress))
	removal, err := network.Delete(ctx, c, identity.OfCluster(s.infra).HeldBy(holder), account.network.VCNID, clearing)
	if err != nil || removal.InUse != "" || removal.Doing == network.Claiming {
		r.cache.dropClearing(key)
	}
	return removal, err
}

// clientOf is the client of an account in which something has to go. Whether the namespace may
// still use the account does not matter if status has recorded something there; users can write the
// annotation.
func (r *Reconciler) clientOf(ctx context.Context, s *scope, name string) (*oci.Client, error) {
	found := &infrav1.OCIAccount{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: name}, found); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, access.NewProblem(infrav1.AccountNotFoundReason, "Create the OCIAccount again")
		}
		return nil, fmt.Errorf("reading OCIAccount %s: %w", name, err)
	}
	recorded := lastState(s.infra, name).network.VCNID != "" || name == s.infra.LoadBalancerAccount() && s.infra.Status.LoadBalancer.ID != ""
	if !recorded {
		if err := r.Clients.MayLookInAccount(ctx, found, s.infra.Namespace); err != nil {
			return nil, err
		}
	}
	return r.Clients.OCI(ctx, found)
}
