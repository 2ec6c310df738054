// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poller

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// errGone says that the account is no more.
var errGone = errors.New("the account is gone")

// run polls one account until it is gone or ctx ends.
func (p *Pollers) run(ctx context.Context, a *account) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ctx = oci.Patient(ctx)
	stop := context.AfterFunc(ctx, a.stop)
	defer stop()
	go func() {
		<-a.done
		cancel()
	}()
	for {
		timer := time.NewTimer(p.due(a).Sub(p.options.Clock()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-a.asked:
			timer.Stop()
			continue
		case <-timer.C:
		}
		if errors.Is(p.poll(ctx, a), errGone) {
			p.forget(a.name, a.uid)
			return
		}
	}
}

// due is when there is something to do next.
func (p *Pollers) due(a *account) time.Time {
	// Spread, and below the interval: it is a promise.
	rest := time.Duration(float64(p.options.PollInterval) * (0.75 + 0.2*rand.Float64()))
	due := a.cache.Next(instancecache.Pace{Rest: rest, Progress: min(rest, p.options.ProgressInterval)})
	if wanted, _ := a.cache.Wanted(); len(wanted) > 0 {
		if search := a.lastSearch().Add(p.options.ProgressInterval / 5); search.Before(due) {
			return search
		}
	}
	return due
}

func (a *account) lastSearch() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.searched
}

// Poll looks at one account now, whatever is due, and tells of what has changed. Errors are those
// of the API server; the account's own are in its cache.
func (p *Pollers) Poll(ctx context.Context, name string) error {
	of := &infrav1.OCIAccount{}
	if err := p.client.Get(ctx, client.ObjectKey{Name: name}, of); err != nil {
		return client.IgnoreNotFound(err)
	}
	a := p.account(of)
	c := p.connect(ctx, a, of)
	if c == nil {
		return nil
	}
	p.list(ctx, a, c)
	p.addresses(ctx, a, c)
	p.learnVolumes(ctx, a, c)
	return nil
}

// poll does what is due.
func (p *Pollers) poll(ctx context.Context, a *account) error {
	of := &infrav1.OCIAccount{}
	err := p.client.Get(ctx, client.ObjectKey{Name: a.name}, of)
	switch {
	case apierrors.IsNotFound(err), err == nil && of.UID != a.uid:
		return errGone
	case err != nil:
		p.fail(ctx, a, err)
		return err
	}
	c := p.connect(ctx, a, of)
	if c == nil {
		return nil
	}
	pace := instancecache.Pace{Rest: p.options.PollInterval * 3 / 4, Progress: min(p.options.PollInterval*3/4, p.options.ProgressInterval)}
	if !p.options.Clock().Before(a.cache.Next(pace)) {
		p.list(ctx, a, c)
	}
	p.addresses(ctx, a, c)
	p.learnVolumes(ctx, a, c)
	return nil
}

// connect returns the account's client; nil if it has none, which the cache then knows.
func (p *Pollers) connect(ctx context.Context, a *account, of *infrav1.OCIAccount) *oci.Client {
	c, err := p.access.OCI(ctx, of)
	if err != nil {
		p.fail(ctx, a, err)
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.client = c
	return c
}

// fail ends a poll before its first call.
func (p *Pollers) fail(ctx context.Context, a *account, err error) {
	now := p.options.Clock()
	a.mu.Lock()
	a.searched = now
	a.mu.Unlock()
	a.cache.Begin(now)
	p.tell(ctx, a.cache.Fail(err, now, now))
}

// list reads all instances.
func (p *Pollers) list(ctx context.Context, a *account, c *oci.Client) {
	began := p.options.Clock()
	a.cache.Begin(began)
	instances, err := c.ListInstances(ctx)
	ended := p.options.Clock()
	if ctx.Err() != nil {
		// The manager stops: that says nothing about the account.
		return
	}
	p.options.Metrics.polled(a.name, err, ended.Sub(began), began)
	if err != nil {
		ctrl.LoggerFrom(ctx).Info("Cannot list the instances of an account", "OCIAccount", klog.KRef("", a.name), "message", cloud.UserMessage(err))
		p.tell(ctx, a.cache.Fail(err, began, ended))
		return
	}
	p.tell(ctx, a.cache.Complete(instances, began, ended))
}

// addresses fetches the addresses that are asked for: from one list of all attachments if that is
// less than a list for each.
func (p *Pollers) addresses(ctx context.Context, a *account, c *oci.Client) {
	wanted, all := a.cache.Wanted()
	if len(wanted) == 0 {
		return
	}
	a.mu.Lock()
	a.searched = p.options.Clock()
	a.mu.Unlock()
	var attached map[string][]string
	if len(wanted) > 1+all/oci.PageSize {
		var err error
		if attached, err = c.AttachedVNICs(ctx, ""); err != nil {
			p.tell(ctx, unaddressed(a.cache, wanted, err))
			return
		}
	}
	for i, id := range wanted {
		err := p.address(ctx, a, c, id, attached)
		if err != nil && !cloud.IsKind(err, cloud.NotFoundOrUnauthorized) {
			// It is the account rather than the instance.
			p.tell(ctx, unaddressed(a.cache, wanted[i:], err))
			return
		}
		if err != nil {
			p.tell(ctx, a.cache.Addressed(id, nil, err))
		}
	}
}

// address fetches the addresses of one instance; attached are all VNICs, nil if they were not
// listed.
func (p *Pollers) address(ctx context.Context, a *account, c *oci.Client, id string, attached map[string][]string) error {
	if attached == nil {
		var err error
		if attached, err = c.AttachedVNICs(ctx, id); err != nil {
			return err
		}
	}
	vnic, found, err := c.PrimaryVNIC(ctx, attached[id])
	switch {
	case err != nil:
		return err
	case !found:
		p.tell(ctx, a.cache.Addressed(id, nil, nil))
	default:
		p.tell(ctx, a.cache.Addressed(id, &vnic, nil))
	}
	return nil
}

// learnVolumes asks which boot volumes the instances have that have come up, for all at once: when
// one of them has ended, a list of volumes alone proves that nothing of it is left. Without an
// answer, deletions ask.
func (p *Pollers) learnVolumes(ctx context.Context, a *account, c *oci.Client) {
	for _, domain := range a.cache.Booted() {
		if err := c.LearnBootVolumes(ctx, domain); err != nil && ctx.Err() == nil {
			ctrl.LoggerFrom(ctx).V(4).Info("Cannot list the boot volumes' attachments yet", "OCIAccount", klog.KRef("", a.name), "message", cloud.UserMessage(err))
		}
	}
}

func unaddressed(cache *instancecache.Cache, wanted []string, err error) []instancecache.Change {
	var changes []instancecache.Change
	for _, id := range wanted {
		changes = append(changes, cache.Addressed(id, nil, err)...)
	}
	return changes
}

// tell hands changes to all who subscribed, in order.
func (p *Pollers) tell(ctx context.Context, changes []instancecache.Change) {
	p.mu.Lock()
	subscribers := p.subscribers
	p.mu.Unlock()
	for _, change := range changes {
		for _, subscriber := range subscribers {
			select {
			case subscriber <- event.TypedGenericEvent[instancecache.Change]{Object: change}:
			case <-ctx.Done():
				return
			}
		}
	}
}
