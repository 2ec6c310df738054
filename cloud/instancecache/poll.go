// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package instancecache

import (
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

const (
	// failing is how many polls in a row must fail before an account counts as unresponsive.
	failing = 2
	// patience is how long facts stay trustworthy while the account does not answer.
	patience = 2 * time.Minute
	// Slow is how long callers wait for the end of a poll.
	Slow = 10 * time.Second
)

// Begin notes that a poll begins.
func (c *Cache) Begin(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.started, c.underway, c.hurried = now, true, false
}

// Complete takes over a list read to its end, and returns the changes. began is the time of its
// Begin. A running instance with wanted addresses is reported by Addressed, together with them:
// they are looked for next, and its waiters need both.
func (c *Cache) Complete(listed []oci.Instance, began, now time.Time) []Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	var changes []Change
	shown := map[string]bool{}
	var strangers []oci.Instance
	for _, instance := range listed {
		if ownerOf(instance) == "" {
			if instance.State != oci.StateTerminated {
				strangers = append(strangers, oci.Instance{
					AvailabilityDomain: instance.AvailabilityDomain, Shape: instance.Shape, OCPUs: instance.OCPUs, MemoryGB: instance.MemoryGB,
				})
			}
			continue
		}
		shown[instance.ID] = true
		fresh, addressed := c.show(instance, began)
		if !fresh {
			continue
		}
		if change := c.changeOf(instance, now); !addressed {
			changes = append(changes, change)
		}
	}
	for id, r := range c.instances {
		if !shown[id] && r.vanish(began) {
			changes = append(changes, c.changeOf(r.instance, now))
		}
		if r.missing && now.Sub(r.seen) > retention {
			delete(c.instances, id)
		}
	}
	c.strangers = strangers
	c.version++
	c.began, c.ended, c.underway = began, now, false
	if c.told || c.failures >= failing {
		changes = append(changes, Change{Account: c.account, All: c.told})
	}
	c.failure, c.failures, c.told = nil, 0, false
	return append(changes, c.served(began)...)
}

// show takes over a list's entry for one instance, and tells whether it is new, and whether its
// addresses are looked for next. Facts noted after the list was begun are newer.
func (c *Cache) show(instance oci.Instance, began time.Time) (fresh, addressed bool) {
	r := c.instances[instance.ID]
	if r == nil {
		c.instances[instance.ID] = &record{instance: instance, seen: began, since: began}
		return true, false
	}
	if r.noted && r.seen.After(began) {
		return false, false
	}
	if r.instance.State != instance.State {
		r.since, r.joining = began, false
	}
	missing, claimed := r.missing, r.instance.Tags[infrav1.HeldByTag] != instance.Tags[infrav1.HeldByTag]
	fresh = missing || r.instance.State != instance.State
	if fresh && instance.State == oci.StateRunning && r.ours {
		// It came up while we watched: its addresses are needed next.
		r.addresses.want()
	}
	r.instance, r.seen, r.noted, r.missing, r.absent = instance, began, false, false, false
	r.addresses.untold = (fresh || r.addresses.untold) && !missing && r.wantsAddresses()
	return fresh || claimed, fresh && r.addresses.untold
}

// vanish marks an instance missing from a complete list, and tells whether that is new.
func (r *record) vanish(began time.Time) bool {
	since := r.seen
	if r.noted {
		since = since.Add(listLag)
	}
	if r.missing || !since.Before(began) {
		r.absent = r.missing
		return false
	}
	r.missing, r.absent = true, r.instance.State.IsEnding()
	return true
}

func (c *Cache) changeOf(instance oci.Instance, now time.Time) Change {
	if r := c.instances[instance.ID]; r != nil && r.ours {
		c.changed = now
	}
	return c.about(instance)
}

func (c *Cache) about(instance oci.Instance) Change {
	return Change{
		Account: c.account, InstanceID: instance.ID, Machine: instance.Tags[infrav1.MachineNameTag],
		MachinePool: instance.Tags[infrav1.MachinePoolNameTag],
	}
}

// served are the machines waiting for a poll begun by then.
func (c *Cache) served(began time.Time) []Change {
	var changes []Change
	for machine, since := range c.waiting {
		if !since.After(began) {
			changes = append(changes, Change{Account: c.account, Machine: machine})
			delete(c.waiting, machine)
		}
	}
	return changes
}

// Fail records a poll's error. Known facts stay known: pages read before the error are dropped.
func (c *Cache) Fail(err error, began, now time.Time) []Change {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure, c.underway = err, false
	c.failures++
	changes := c.served(began)
	troubled := c.trouble(now) != nil && !c.told
	c.told = c.told || troubled
	if troubled || c.failures == failing {
		changes = append(changes, Change{Account: c.account, All: troubled})
	}
	return changes
}

// Trouble is why the facts are not to be trusted: nil, or the last poll's error. A refusal counts
// at once, silence only once the facts are too old.
func (c *Cache) Trouble(now time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trouble(now)
}

func (c *Cache) trouble(now time.Time) error {
	passing := cloud.IsKind(c.failure, cloud.Unavailable, cloud.Throttled)
	if passing && !c.began.IsZero() && now.Sub(c.began) < patience {
		return nil
	}
	return c.failure
}

// Answering tells whether it is worth waiting for a poll: not if the account failed more than once
// in a row, or holds a poll up.
func (c *Cache) Answering(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.underway && now.Sub(c.started) > Slow
	return c.failures < failing && !held
}

// Last is the start of the last complete poll, zero if there was none, and the error of those
// since.
func (c *Cache) Last() (began time.Time, failure error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.began, c.failure
}
