// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
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
	eachAccount(ctx, s, accounts, func(ctx context.Context, account *accountState) { r.removeNetwork(ctx, s, account) })
	left := recorded(s.infra)
	for _, account := range accounts {
		if account.gone {
			left = slices.DeleteFunc(left, func(name string) bool { return name == account.name })
		}
	}
	if err := r.record(ctx, s, left); err != nil {
		return client.IgnoreNotFound(err)
	}
	s.left = slices.DeleteFunc(s.left, func(account *accountState) bool { return account.gone })
	return nil
}

func (r *Reconciler) removeNetwork(ctx context.Context, s *scope, account *accountState) {
	holder, began := r.holder(s, account.claim, account.network.VCNID), time.Now()
	removal, err := r.deleteNetwork(ctx, s, account, holder)
	if removal.VCNID != "" {
		account.network.VCNID = removal.VCNID
	}
	account.claim = r.decided(s, holder, removal.Claim, removal.VCNID, began)
	key := memoryKey{s.infra.UID, account.name}
	switch {
	case err != nil:
		problem := *access.AsProblem(err)
		account.networkProblem = &problem
		problem.Message = fmt.Sprintf("the network in OCIAccount %s cannot be removed: %s: %s", account.name, problem.Reason, problem.Message)
		problem.Reason = infrav1.WaitingForAccountReason
	case removal.Doing == network.Claiming:
		account.networkProblem = r.waitsForClaim("The network in OCIAccount " + account.name)
	case removal.InUse != "":
		account.networkProblem = access.NewProblem(infrav1.NetworkInUseReason,
			"%s in OCIAccount %s cannot be deleted while something is in it: %s", removal.Doing, account.name, removal.InUse)
	case !removal.Gone:
		account.networkProblem = access.NewProblem(infrav1.DeletingReason, "deleting %s in OCIAccount %s", removal.Doing, account.name)
	case account.network.VCNID == "" && len(removal.Elsewhere) == 0 && !r.memory.emptyFor(key, s.options.ListLag):
		// A VCN made a moment ago, whose OCID was lost in a crash, may not be listed yet.
		account.networkProblem = access.NewProblem(infrav1.DeletingReason, "making sure that OCIAccount %s has no network", account.name)
	default:
		account.gone = true
		for _, left := range removal.Elsewhere {
			claims.Left(r.Recorder, s.infra, left.Claim, "VCN "+left.ID)
		}
		r.memory.forget(key)
	}
}

func (r *Reconciler) deleteNetwork(
	ctx context.Context, s *scope, account *accountState, holder ownership.Holder,
) (network.Removal, error) {
	c, err := r.clientOf(ctx, account.name)
	if err != nil {
		return network.Removal{}, err
	}
	return network.Delete(ctx, c, identity.OfCluster(s.infra).HeldBy(holder), account.network.VCNID)
}

// clientOf is the client of an account in which something has to go. Whether the namespace may
// still use the account does not matter: what it made there has to go.
func (r *Reconciler) clientOf(ctx context.Context, name string) (*oci.Client, error) {
	found := &infrav1.OCIAccount{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: name}, found); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, access.NewProblem(infrav1.AccountNotFoundReason, "create the OCIAccount again")
		}
		return nil, fmt.Errorf("reading OCIAccount %s: %w", name, err)
	}
	return r.Clients.OCI(ctx, found)
}
