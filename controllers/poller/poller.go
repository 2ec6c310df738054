// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package poller polls accounts: one goroutine each, so that one that hangs holds up no other. It
// lists the account's instances, fetches the addresses of those that need them, and tells
// controllers what has changed. What is known is in the accounts' caches (package
// cloud/instancecache).
package poller

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ociaccounts,verbs=get;list;watch

// Options tune the pollers; zero values have defaults.
type Options struct {
	// PollInterval is how often an account at rest is polled, at most; 60 seconds by default, which
	// is also the longest.
	PollInterval time.Duration
	// ProgressInterval is how often an account is polled in which something changes; 10 seconds by
	// default.
	ProgressInterval time.Duration
	// Clock tells the time; time.Now by default.
	Clock func() time.Time
	// Capacity is how long places without room are left out.
	Capacity capacity.Policy
	// Metrics receive polls; nil means that nobody does.
	Metrics *Metrics
	// Forget, if not nil, is told of accounts that are polled no more, so that their series go.
	Forget func(account string)
}

func (o Options) withDefaults() Options {
	if o.PollInterval <= 0 {
		o.PollInterval = time.Minute
	}
	// A lost instance is to be noticed within a minute, however rarely other things are looked at.
	o.PollInterval = min(o.PollInterval, time.Minute)
	if o.ProgressInterval <= 0 {
		o.ProgressInterval = 10 * time.Second
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o
}

// Pollers are the pollers of all accounts. Add them to the manager: they run while it leads.
// Without that nothing is polled but by Poll.
type Pollers struct {
	client  client.Reader
	access  *access.Clients
	options Options

	mu       sync.Mutex
	accounts map[string]*account
	// launch starts an account's goroutine; nil before Start and after its end.
	launch      func(*account)
	subscribers []chan event.TypedGenericEvent[instancecache.Change]
}

// account is one account's poller.
type account struct {
	name  string
	uid   types.UID
	cache *instancecache.Cache
	// shortages are the places without room.
	shortages *capacity.ShortageCache
	// asked wakes the poller, stop ends it.
	asked chan struct{}
	stop  context.CancelFunc
	done  <-chan struct{}

	mu sync.Mutex
	// client made the last poll: an account with other credentials has another one.
	client *oci.Client
	// searched is when addresses were looked for last.
	searched time.Time
}

// New makes pollers that read accounts from c.
func New(c client.Reader, clients *access.Clients, options Options) *Pollers {
	return &Pollers{client: c, access: clients, options: options.withDefaults(), accounts: map[string]*account{}}
}

// Subscribe returns a channel of all changes. Call it before the manager starts, and read from it
// while that runs.
func (p *Pollers) Subscribe() <-chan event.TypedGenericEvent[instancecache.Change] {
	p.mu.Lock()
	defer p.mu.Unlock()
	changes := make(chan event.TypedGenericEvent[instancecache.Change])
	p.subscribers = append(p.subscribers, changes)
	return changes
}

// Cache returns what is known of the account, and sees to it that the account is polled from now
// on, until it is gone.
func (p *Pollers) Cache(of *infrav1.OCIAccount) *instancecache.Cache { return p.account(of).cache }

// Shortages are the places without room in the account, remembered for all machines. They go on
// from the account's status, which the account controller writes.
func (p *Pollers) Shortages(of *infrav1.OCIAccount) *capacity.ShortageCache {
	return p.account(of).shortages
}

// Announce tells the account's controller that there is something to write down.
func (p *Pollers) Announce(ctx context.Context, account string) {
	p.tell(ctx, []instancecache.Change{{Account: account}})
}

func (p *Pollers) account(of *infrav1.OCIAccount) *account {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.accounts[of.Name]
	if known != nil && known.uid == of.UID {
		return known
	}
	if known != nil {
		known.stop()
	}
	ctx, stop := context.WithCancel(context.Background())
	a := &account{name: of.Name, uid: of.UID, asked: make(chan struct{}, 1), stop: stop, done: ctx.Done()}
	a.cache = instancecache.New(of.Name, a.wake)
	a.shortages = capacity.NewShortageCache(p.options.Capacity, of.Status.Shortages)
	p.accounts[of.Name] = a
	if p.launch != nil {
		p.launch(a)
	}
	return a
}

func (a *account) wake() {
	select {
	case a.asked <- struct{}{}:
	default:
	}
}

// Latest is how the last poll ended: nil if it was complete, else what it failed with. polled is
// false if there was none by this client, or only one that is older than it should be.
func (p *Pollers) Latest(of *infrav1.OCIAccount, c *oci.Client) (polled bool, failure error) {
	a := p.account(of)
	began, failure := a.cache.Last()
	a.mu.Lock()
	same, before := a.client == c, a.client != nil
	a.mu.Unlock()
	if !same && before {
		a.cache.Hurry()
	}
	if !same {
		return false, nil
	}
	return failure != nil || p.options.Clock().Sub(began) < 2*p.options.PollInterval, failure
}

// Forget ends the polling of an account that is gone.
func (p *Pollers) Forget(of *infrav1.OCIAccount) { p.forget(of.Name, of.UID) }

func (p *Pollers) forget(name string, uid types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.accounts[name]; a != nil && a.uid == uid {
		a.stop()
		delete(p.accounts, name)
		if p.options.Forget != nil {
			p.options.Forget(name)
		}
	}
}

// NeedLeaderElection is true: one manager polls.
func (p *Pollers) NeedLeaderElection() bool { return true }

// Start polls until ctx ends.
func (p *Pollers) Start(ctx context.Context) error {
	var all sync.WaitGroup
	p.mu.Lock()
	p.launch = func(a *account) { all.Go(func() { p.run(ctx, a) }) }
	for _, a := range p.accounts {
		p.launch(a)
	}
	p.mu.Unlock()
	<-ctx.Done()
	p.mu.Lock()
	p.launch = nil
	p.mu.Unlock()
	all.Wait()
	return nil
}
