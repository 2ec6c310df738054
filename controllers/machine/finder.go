// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

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
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
)

// finder finds a machine's instances, in its account and in those it may be in.
type finder struct {
	client  client.Reader
	access  *access.Clients
	pollers *poller.Pollers
	// searches are since when instances are searched for.
	searches *cloud.Searches[search]
}

func (r *Reconciler) finder() finder {
	return finder{client: r.Client, access: r.Access, pollers: r.Pollers, searches: &r.creations.searches}
}

// target is a machine, as the object of a search for its instances.
type target struct {
	search
	now time.Time
	// owner is the machine, whatever management cluster holds its instances.
	owner ownership.Owner
	// providerID and account are the recorded ones; both may be empty.
	providerID, account string
	// accounts are those allowed by the spec, cluster names its own. It is nil once it is gone.
	accounts infrav1.AccountSelection
	cluster  *infrav1.OCIMeshCluster
	// statusLost is scope.statusWasLost.
	statusLost bool
}

// target is the machine of this pass.
func (s *scope) target() target {
	return target{
		search: s.search(), now: s.now, owner: s.anybodys(),
		providerID: s.own.Spec.ProviderID, account: s.own.Status.Placement.Account,
		accounts: s.own.Spec.Accounts, cluster: s.infraCluster, statusLost: s.statusWasLost(),
	}
}

// search is the one of this pass.
func (s *scope) search() search {
	return search{client.ObjectKeyFromObject(s.own), !s.own.DeletionTimestamp.IsZero()}
}

// isKnown tells whether something hints at an instance.
func (t target) isKnown() bool { return t.providerID != "" || t.statusLost }

// account is an account with a client, and the cache of its instances.
type account struct {
	name   string
	client *oci.Client
	cache  *instancecache.Cache
}

// connect reaches an account of the machine. Whether the account still allows the namespace does
// not matter here: everything in it has to be seen, and to be taken away.
func (f finder) connect(ctx context.Context, name string) (account, error) {
	found, err := f.access.AccountOf(ctx, name, "machine")
	if err != nil {
		return account{}, err
	}
	c, err := f.access.OCI(ctx, found)
	return account{name: name, client: c, cache: f.pollers.Cache(found)}, err
}

// instancesIn lists the machine's instances in an account, oldest first and without TERMINATED
// ones, by a poll begun after the search. Such a poll is as good as a list of its own: a launch by
// this process is noted in the cache, and a launch without an answer begins the search anew. If
// there was no such poll, one is asked for.
func (f finder) instancesIn(t target, account *infrav1.OCIAccount) ([]instance.Own, error) {
	own, err := f.polledIn(t, account)
	if err != nil {
		f.pollers.Cache(account).Await(t.machine.String(), f.searches.Since(t.search, t.now))
	}
	return own, err
}

// polledIn is instancesIn for a caller with time to wait for the regular poll.
func (f finder) polledIn(t target, account *infrav1.OCIAccount) ([]instance.Own, error) {
	cache := f.pollers.Cache(account)
	if cache.PolledSince(f.searches.Since(t.search, t.now)) {
		return f.knownIn(t, account), nil
	}
	if _, failure := cache.Last(); failure != nil {
		return nil, failure
	}
	return nil, &notPolledError{account: account.Name}
}

// knownIn are the machine's instances in an account without TERMINATED ones, as far as polls have
// shown them up to now, whatever management cluster holds them.
func (f finder) knownIn(t target, account *infrav1.OCIAccount) []instance.Own {
	return instance.Remaining(t.owner, f.pollers.Cache(account).Tagged(t.owner.Identity()))
}

// candidate is a possible account of a machine.
type candidate struct {
	*infrav1.OCIAccount
	// far accounts are closed to the namespace: nobody causes calls there, but whatever their polls
	// show anyway counts.
	far bool
	// named accounts are the cluster's, and may well hold something of the machine.
	named bool
}

// candidates are the possible accounts of a machine without a record: the cluster's or, once the
// OCIMeshCluster is gone, all accounts open to the namespace. An account can leave a cluster, or
// refuse a namespace, while machines are still in it. So the search for a known instance goes on in
// all others too.
func (f finder) candidates(ctx context.Context, t target) ([]candidate, error) {
	all := &infrav1.OCIAccountList{}
	if err := f.client.List(ctx, all); err != nil {
		return nil, fmt.Errorf("listing OCIAccounts: %w", err)
	}
	var names []string
	if t.cluster != nil {
		names = accountsOf(t.cluster)
	}
	var candidates []candidate
	for i := range all.Items {
		account := &all.Items[i]
		named := slices.Contains(names, account.Name)
		if !named && !t.isKnown() && t.cluster != nil {
			continue
		}
		allowed, err := f.access.MayUseAccount(ctx, account, t.machine.Namespace)
		if err != nil {
			return nil, err
		}
		if allowed || named || t.isKnown() {
			candidates = append(candidates, candidate{OCIAccount: account, far: !allowed, named: named})
		}
	}
	return candidates, nil
}

// instancesOf lists the machine's instances in a candidate. An error says why this is impossible. A
// far account without a name in the cluster holds nobody up if it does not answer.
func (f finder) instancesOf(t target, c candidate) ([]instance.Own, error) {
	if !c.far {
		return f.instancesIn(t, c.OCIAccount)
	}
	own, err := f.polledIn(t, c.OCIAccount)
	var notPolled *notPolledError
	willAnswer := errors.As(err, &notPolled) && isReady(c.OCIAccount)
	if err != nil && !c.named && !willAnswer {
		return nil, nil
	}
	return own, err
}

// located is an instance proven to be the machine's, in its account.
type located struct {
	instance.Own
	account *infrav1.OCIAccount
}

// live returns the one live instance; nil if the accounts within reach have none.
func (f finder) live(ctx context.Context, t target) (*located, error) {
	if t.account != "" {
		in, err := f.access.AccountOf(ctx, t.account, "machine")
		if err != nil {
			return nil, err
		}
		own, err := f.instancesIn(t, in)
		if err != nil {
			return nil, err
		}
		return pickLive(t.claimed(own, in))
	}
	candidates, err := f.candidates(ctx, t)
	if err != nil {
		return nil, err
	}
	var all []located
	for _, c := range candidates {
		if !t.isKnown() && f.passesOver(t, c.OCIAccount) {
			continue
		}
		own, err := f.instancesOf(t, c)
		if err != nil {
			return nil, err
		}
		all = append(all, t.claimed(own, c.OCIAccount)...)
		if t.providerID != "" && len(all) > 0 {
			// There is one instance of an OCID: the answers of other accounts do not matter.
			break
		}
	}
	return pickLive(all)
}

// claimed leaves out all but the instance of a providerID: the Node has this one.
func (t target) claimed(own []instance.Own, in *infrav1.OCIAccount) []located {
	found := make([]located, 0, len(own))
	for _, one := range own {
		if t.providerID == "" || cloud.ProviderID(one.ID) == t.providerID {
			found = append(found, located{Own: one, account: in})
		}
	}
	return found
}

// passesOver tells whether the search for an unknown instance leaves out an account: the machine
// cannot have been placed there, or the account is known not to answer and would keep every new
// machine from being placed elsewhere.
func (f finder) passesOver(t target, account *infrav1.OCIAccount) bool {
	selected, err := scheduling.Selects(t.accounts, account)
	return (err == nil && !selected) || !isReady(account) || !f.pollers.Cache(account).Answering(t.now)
}

// pickLive returns the one live instance of all accounts.
func pickLive(all []located) (*located, error) {
	instances := make([]instance.Own, 0, len(all))
	accounts := map[string]*infrav1.OCIAccount{}
	for _, found := range all {
		instances = append(instances, found.Own)
		accounts[found.ID] = found.account
	}
	live, found, err := instance.Live(instances)
	if err != nil || !found {
		return nil, err
	}
	return &located{Own: live, account: accounts[live.ID]}, nil
}

// lastKnown is an instance of the machine's in an account, as far as polls show them: one not
// TERMINATED, else the one of the providerID, since its end is evidence too.
func (f finder) lastKnown(t target, account *infrav1.OCIAccount) (located, bool) {
	if remaining := f.knownIn(t, account); len(remaining) > 0 {
		return located{Own: remaining[0], account: account}, true
	}
	for _, own := range instance.Of(t.owner, f.pollers.Cache(account).Tagged(t.owner.Identity())) {
		if cloud.ProviderID(own.ID) == t.providerID {
			return located{Own: own, account: account}, true
		}
	}
	return located{}, false
}

// launchedAt is when the owner's instance was made, as far as polls show one with its tags; else
// zero.
func (f finder) launchedAt(ctx context.Context, owner ownership.Owner) (time.Time, error) {
	accounts := &infrav1.OCIAccountList{}
	if err := f.client.List(ctx, accounts); err != nil {
		return time.Time{}, fmt.Errorf("listing OCIAccounts: %w", err)
	}
	var launched time.Time
	for i := range accounts.Items {
		for _, own := range instance.Of(owner, f.pollers.Cache(&accounts.Items[i]).Tagged(owner.Identity())) {
			if own.CreatedAt.After(launched) {
				launched = own.CreatedAt
			}
		}
	}
	return launched, nil
}

// noteLaunch tells the account's caches of the instance, before lists show it, and of the room for
// it. Nothing depends on it: after a launch nothing may fail.
func (f finder) noteLaunch(ctx context.Context, at infrav1.Placement, size capacity.Size, launched oci.Instance, now time.Time) {
	account, err := f.access.AccountOf(ctx, at.Account, "machine")
	if err != nil {
		return
	}
	f.pollers.Cache(account).Note(launched, now)
	if f.pollers.Shortages(account).Found(scheduling.PlaceOf(at), size) {
		f.pollers.Announce(ctx, account.Name)
	}
}

// noteShortage tells the machines of all clusters of a place without room.
func (f finder) noteShortage(ctx context.Context, at infrav1.Placement, size capacity.Size, kind cloud.Kind, now time.Time) {
	if account, err := f.access.AccountOf(ctx, at.Account, "machine"); err == nil {
		f.pollers.Shortages(account).Record(scheduling.PlaceOf(at), size, kind, now)
		f.pollers.Announce(ctx, account.Name)
	}
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

// isReady tells whether the account answered its own controller's last call.
func isReady(account *infrav1.OCIAccount) bool {
	return conditions.IsTrue(account, infrav1.ReadyCondition)
}
