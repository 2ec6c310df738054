// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/feed"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// accountOf returns the client of an account that the machine is in, and what is known of the
// account's instances. Whether the account still allows the namespace does not matter here: what is
// there has to be seen, and to be taken away.
func (r *Reconciler) accountOf(ctx context.Context, name string) (*oci.Client, *feed.Book, error) {
	account, err := r.account(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	c, err := r.Access.OCI(ctx, account)
	return c, r.Pollers.Book(account), err
}

func (r *Reconciler) account(ctx context.Context, name string) (*infrav1.OCIAccount, error) {
	account := &infrav1.OCIAccount{}
	err := r.Client.Get(ctx, client.ObjectKey{Name: name}, account)
	switch {
	case apierrors.IsNotFound(err):
		return nil, access.NewProblem(infrav1.AccountNotFoundReason,
			"OCIAccount %s, which the machine is in, does not exist: create it again", name)
	case err != nil:
		return nil, fmt.Errorf("reading OCIAccount %s: %w", name, err)
	}
	return account, nil
}

// seenIn lists the machine's instances in an account that are not TERMINATED, oldest first, by a
// poll that was begun after the search was, which is as good as a list of its own: what was
// launched since by this process is noted in the book, and a launch that was not answered begins
// the search anew. If there was no such poll, one is asked for.
func (r *Reconciler) seenIn(s *scope, account *infrav1.OCIAccount) ([]instance.Own, error) {
	own, err := r.seenUnasked(s, account)
	if err != nil {
		r.Pollers.Book(account).Await(client.ObjectKeyFromObject(s.own).String(), r.ledger.searchedSince(s.search(), s.now))
	}
	return own, err
}

// seenUnasked is seenIn for who can wait for the poll that comes by itself.
func (r *Reconciler) seenUnasked(s *scope, account *infrav1.OCIAccount) ([]instance.Own, error) {
	book := r.Pollers.Book(account)
	if book.PolledSince(r.ledger.searchedSince(s.search(), s.now)) {
		return r.shownIn(s, account), nil
	}
	if _, failure := book.Last(); failure != nil {
		return nil, failure
	}
	return nil, &notPolledError{account: account.Name}
}

// shownIn are the machine's instances in an account that are not TERMINATED, as far as polls have
// shown them up to now, whichever management cluster holds them.
func (r *Reconciler) shownIn(s *scope, account *infrav1.OCIAccount) []instance.Own {
	return instance.Remaining(s.anybodys(), r.Pollers.Book(account).Tagged(s.identity))
}

// clientToPlaceIn is the client of an account that something new is to be made in.
func (r *Reconciler) clientToPlaceIn(ctx context.Context, name, namespace string) (*oci.Client, error) {
	account, err := r.Access.Account(ctx, name, namespace)
	if err != nil {
		return nil, err
	}
	return r.Access.OCI(ctx, account)
}

// candidate is an account that a machine may be in.
type candidate struct {
	*infrav1.OCIAccount
	// far says that the namespace may not use the account: nobody causes calls there, but what its
	// polls show anyway is looked at.
	far bool
	// named says that the cluster names it, so that it may well hold something of the machine.
	named bool
}

// candidates are the accounts that the machine may be in, as far as nothing is recorded: the
// cluster's or, once the OCIMeshCluster is gone, all that the namespace may use. An account can
// leave a cluster, or refuse a namespace, while machines are still in it, so that an instance that
// is known to exist is looked for in all others too.
func (r *Reconciler) candidates(ctx context.Context, s *scope) ([]candidate, error) {
	all := &infrav1.OCIAccountList{}
	if err := r.Client.List(ctx, all); err != nil {
		return nil, fmt.Errorf("listing OCIAccounts: %w", err)
	}
	var names []string
	if s.infraCluster != nil {
		names = accountsOf(s.infraCluster)
	}
	isKnown := s.own.Spec.ProviderID != "" || s.statusWasLost()
	var candidates []candidate
	for i := range all.Items {
		account := &all.Items[i]
		named := slices.Contains(names, account.Name)
		if !named && !isKnown && s.infraCluster != nil {
			continue
		}
		allowed, err := r.Access.MayUseAccount(ctx, account, s.own.Namespace)
		if err != nil {
			return nil, err
		}
		if allowed || named || isKnown {
			candidates = append(candidates, candidate{OCIAccount: account, far: !allowed, named: named})
		}
	}
	return candidates, nil
}

// seenBy lists the machine's instances in a candidate. An error is why that cannot be said; a far
// account that the cluster does not name, and that does not answer, holds nobody up.
func (r *Reconciler) seenBy(s *scope, c candidate) ([]instance.Own, error) {
	if !c.far {
		return r.seenIn(s, c.OCIAccount)
	}
	own, err := r.seenUnasked(s, c.OCIAccount)
	var notPolled *notPolledError
	willAnswer := errors.As(err, &notPolled) && isReady(c.OCIAccount)
	if err != nil && !c.named && !willAnswer {
		return nil, nil
	}
	return own, err
}

// accountsOf names the cluster's accounts: those of its spec, and those that left it but not yet
// its networks.
func accountsOf(cluster *infrav1.OCIMeshCluster) []string {
	names := strings.Split(cluster.Annotations[infrav1.NetworkAccountsAnnotation], ",")
	for _, account := range cluster.Spec.Accounts {
		names = append(names, account.Name)
	}
	for _, account := range cluster.Status.Accounts {
		names = append(names, account.Name)
	}
	return names
}

// isReady tells whether the account answered when its own controller last asked.
func isReady(account *infrav1.OCIAccount) bool {
	return conditions.IsTrue(account, infrav1.ReadyCondition)
}
