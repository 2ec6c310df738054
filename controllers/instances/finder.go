// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package instances finds the instances of a machine, in its account and in those where it may be,
// and ends them with their volumes.
package instances

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
)

// Finder finds a machine's instances, in its account and in those it may be in.
type Finder struct {
	// Client reads OCIAccounts from the manager's cache.
	Client client.Reader
	// Access hands out clients of accounts.
	Access *access.Clients
	// Pollers know the instances of all accounts.
	Pollers *poller.Pollers
	// Searches are since when instances are searched for.
	Searches *cloud.Searches[Search]
}

// Search tells the search for an instance to adopt from the one for instances to end.
type Search struct {
	Machine  client.ObjectKey
	Deleting bool
}

// Target is a machine, as the object of a search for its instances.
type Target struct {
	Search
	Now time.Time
	// Owner is the machine, whatever management cluster holds its instances.
	Owner ownership.Owner
	// ProviderID and Account are the recorded ones; both may be empty.
	ProviderID, Account string
	// Selects tells whether the spec allows an account. Cluster names its own accounts; it is nil
	// once it is gone.
	Selects func(*infrav1.OCIAccount) bool
	Cluster *infrav1.OCIMeshCluster
	// StatusLost is set if there may be an instance without a trace in status.
	StatusLost bool
}

// isKnown tells whether something hints at an instance.
func (t Target) isKnown() bool { return t.ProviderID != "" || t.StatusLost }

// Account is an account with a client, and the cache of its instances.
type Account struct {
	Name   string
	Client *oci.Client
	Cache  *instancecache.Cache
}

// Connect reaches an account of the machine. Whether the account still allows the namespace does
// not matter here: everything in it has to be seen, and to be taken away.
func (f Finder) Connect(ctx context.Context, name string) (Account, error) {
	found, err := f.Access.AccountOf(ctx, name, "machine")
	if err != nil {
		return Account{}, err
	}
	c, err := f.Access.OCI(ctx, found)
	return Account{Name: name, Client: c, Cache: f.Pollers.Cache(found)}, err
}

// InstancesIn lists the machine's instances in an account, oldest first and without TERMINATED
// ones, by a poll begun after the search. Such a poll is as good as a list of its own: a launch by
// this process is noted in the cache, and a launch without an answer begins the search anew. If
// there was no such poll, one is asked for.
func (f Finder) InstancesIn(t Target, account *infrav1.OCIAccount) ([]instance.Own, error) {
	own, err := f.polledIn(t, account)
	if err != nil {
		f.Pollers.Cache(account).Await(t.Machine.String(), f.Searches.Since(t.Search, t.Now))
	}
	return own, err
}

// polledIn is InstancesIn for a caller with time to wait for the regular poll.
func (f Finder) polledIn(t Target, account *infrav1.OCIAccount) ([]instance.Own, error) {
	cache := f.Pollers.Cache(account)
	if cache.PolledSince(f.Searches.Since(t.Search, t.Now)) {
		return f.KnownIn(t, account), nil
	}
	if _, failure := cache.Last(); failure != nil {
		return nil, failure
	}
	return nil, &NotPolledError{Account: account.Name}
}

// KnownIn are the machine's instances in an account without TERMINATED ones, as far as polls have
// shown them up to now, whatever management cluster holds them.
func (f Finder) KnownIn(t Target, account *infrav1.OCIAccount) []instance.Own {
	return instance.Remaining(t.Owner, f.Pollers.Cache(account).Tagged(t.Owner.Identity()))
}

// Candidate is a possible account of a machine.
type Candidate struct {
	*infrav1.OCIAccount
	// Far accounts are closed to the namespace: nobody causes calls there, but whatever their polls
	// show anyway counts.
	Far bool
	// Named accounts are the cluster's, and may well hold something of the machine.
	Named bool
}

// Candidates are the possible accounts of a machine without a record: the cluster's or, once the
// OCIMeshCluster is gone, all accounts open to the namespace. An account can leave a cluster, or
// refuse a namespace, while machines are still in it. So the search for a known instance goes on in
// all others too.
func (f Finder) Candidates(ctx context.Context, t Target) ([]Candidate, error) {
	all := &infrav1.OCIAccountList{}
	if err := f.Client.List(ctx, all); err != nil {
		return nil, fmt.Errorf("listing OCIAccounts: %w", err)
	}
	var names []string
	if t.Cluster != nil {
		names = accountsOf(t.Cluster)
	}
	var candidates []Candidate
	for i := range all.Items {
		account := &all.Items[i]
		named := slices.Contains(names, account.Name)
		if !named && !t.isKnown() && t.Cluster != nil {
			continue
		}
		allowed, err := f.Access.MayUseAccount(ctx, account, t.Machine.Namespace)
		if err != nil {
			return nil, err
		}
		if allowed || named || t.isKnown() {
			candidates = append(candidates, Candidate{OCIAccount: account, Far: !allowed, Named: named})
		}
	}
	return candidates, nil
}

// InstancesOf lists the machine's instances in a candidate. An error says why this is impossible. A
// far account without a name in the cluster holds nobody up if it does not answer.
func (f Finder) InstancesOf(t Target, c Candidate) ([]instance.Own, error) {
	if !c.Far {
		return f.InstancesIn(t, c.OCIAccount)
	}
	own, err := f.polledIn(t, c.OCIAccount)
	var notPolled *NotPolledError
	willAnswer := errors.As(err, &notPolled) && isReady(c.OCIAccount)
	if err != nil && !c.Named && !willAnswer {
		return nil, nil
	}
	return own, err
}

// Located is an instance proven to be the machine's, in its account.
type Located struct {
	instance.Own
	Account *infrav1.OCIAccount
}

// Live returns the one live instance; nil if the accounts within reach have none.
func (f Finder) Live(ctx context.Context, t Target) (*Located, error) {
	if t.Account != "" {
		in, err := f.Access.AccountOf(ctx, t.Account, "machine")
		if err != nil {
			return nil, err
		}
		own, err := f.InstancesIn(t, in)
		if err != nil {
			return nil, err
		}
		return pickLive(t.claimed(own, in))
	}
	candidates, err := f.Candidates(ctx, t)
	if err != nil {
		return nil, err
	}
	var all []Located
	for _, c := range candidates {
		if !t.isKnown() && f.passesOver(t, c.OCIAccount) {
			continue
		}
		own, err := f.InstancesOf(t, c)
		if err != nil {
			return nil, err
		}
		all = append(all, t.claimed(own, c.OCIAccount)...)
		if t.ProviderID != "" && len(all) > 0 {
			// There is one instance of an OCID: the answers of other accounts do not matter.
			break
		}
	}
	return pickLive(all)
}

// claimed leaves out all but the instance of a providerID: the Node has this one.
func (t Target) claimed(own []instance.Own, in *infrav1.OCIAccount) []Located {
	found := make([]Located, 0, len(own))
	for _, one := range own {
		if t.ProviderID == "" || cloud.ProviderID(one.ID) == t.ProviderID {
			found = append(found, Located{Own: one, Account: in})
		}
	}
	return found
}

// passesOver tells whether the search for an unknown instance leaves out an account: the machine
// cannot have been placed there, or the account is known not to answer and would keep every new
// machine from being placed elsewhere.
func (f Finder) passesOver(t Target, account *infrav1.OCIAccount) bool {
	return !t.Selects(account) || !isReady(account) || !f.Pollers.Cache(account).Answering(t.Now)
}

// pickLive returns the one live instance of all accounts.
func pickLive(all []Located) (*Located, error) {
	instances := make([]instance.Own, 0, len(all))
	accounts := map[string]*infrav1.OCIAccount{}
	for _, found := range all {
		instances = append(instances, found.Own)
		accounts[found.ID] = found.Account
	}
	live, found, err := instance.Live(instances)
	if err != nil || !found {
		return nil, err
	}
	return &Located{Own: live, Account: accounts[live.ID]}, nil
}

// LastKnown is an instance of the machine's in an account, as far as polls show them: one not
// TERMINATED, else the one of the providerID, since its end is evidence too.
func (f Finder) LastKnown(t Target, account *infrav1.OCIAccount) (Located, bool) {
	if remaining := f.KnownIn(t, account); len(remaining) > 0 {
		return Located{Own: remaining[0], Account: account}, true
	}
	for _, own := range instance.Of(t.Owner, f.Pollers.Cache(account).Tagged(t.Owner.Identity())) {
		if cloud.ProviderID(own.ID) == t.ProviderID {
			return Located{Own: own, Account: account}, true
		}
	}
	return Located{}, false
}

// LaunchedAt is when the owner's instance was made, as far as polls show one with its tags; else
// zero.
func (f Finder) LaunchedAt(ctx context.Context, owner ownership.Owner) (time.Time, error) {
	accounts := &infrav1.OCIAccountList{}
	if err := f.Client.List(ctx, accounts); err != nil {
		return time.Time{}, fmt.Errorf("listing OCIAccounts: %w", err)
	}
	var launched time.Time
	for i := range accounts.Items {
		for _, own := range instance.Of(owner, f.Pollers.Cache(&accounts.Items[i]).Tagged(owner.Identity())) {
			if own.CreatedAt.After(launched) {
				launched = own.CreatedAt
			}
		}
	}
	return launched, nil
}

// MayLeave tells whether a placement can be given up because its account fails, with no risk of an
// instance there: before there was a key there was no launch.
func (f Finder) MayLeave(ctx context.Context, t Target, keyExists bool) bool {
	if keyExists {
		return false
	}
	account, err := f.Access.Account(ctx, t.Account, t.Machine.Namespace)
	// As for the scheduler, an account in doubt may be placed in: else it would be left and chosen
	// again for ever.
	return err != nil || conditions.IsFalse(account, infrav1.ReadyCondition) || !f.Pollers.Cache(account).Answering(t.Now)
}

// accountsOf names the cluster's accounts: those of its spec, and those no longer in it but still
// with a network.
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

// IsReady tells whether the account answered its own controller's last call.
func (c Candidate) IsReady() bool { return isReady(c.OCIAccount) }

// isReady tells whether the account answered its own controller's last call.
func isReady(account *infrav1.OCIAccount) bool {
	return conditions.IsTrue(account, infrav1.ReadyCondition)
}
