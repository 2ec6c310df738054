// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// joins looks for the devices of all machines that run and have not joined their tailnet yet, by
// one list for all, and brings each its next pass once it has. The zero value only takes notes.
type joins struct {
	mu sync.Mutex
	// waiting are the machines by their tailnet.
	waiting map[string]map[client.ObjectKey]waiting
	// busy are the tailnets that are being looked at: one that is slow holds up no other.
	busy map[string]bool
	// joined receives the machines; nil if nobody looks.
	joined chan event.TypedGenericEvent[client.ObjectKey]
}

// waiting is what a machine is to join as and with, and what its last pass has seen: devices of its
// name that are not its own.
type waiting struct{ hostname, keyID, seen string }

// await notes that the machine is waited for, and tells whether somebody looks for it.
func (j *joins) await(tailnet string, machine client.ObjectKey, w waiting) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.waiting == nil {
		j.waiting = map[string]map[client.ObjectKey]waiting{}
	}
	if j.waiting[tailnet] == nil {
		j.waiting[tailnet] = map[client.ObjectKey]waiting{}
	}
	j.waiting[tailnet][machine] = w
	return j.joined != nil
}

// forget says that the machine is not waited for any more.
func (j *joins) forget(machine client.ObjectKey) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for tailnet, machines := range j.waiting {
		delete(machines, machine)
		if len(machines) == 0 {
			delete(j.waiting, tailnet)
		}
	}
}

// begin are the tailnets to look at, from now on busy, and what is waited for in them.
func (j *joins) begin() map[string]map[client.ObjectKey]waiting {
	j.mu.Lock()
	defer j.mu.Unlock()
	due := map[string]map[client.ObjectKey]waiting{}
	for tailnet, machines := range j.waiting {
		if j.busy[tailnet] {
			continue
		}
		if j.busy == nil {
			j.busy = map[string]bool{}
		}
		j.busy[tailnet] = true
		due[tailnet] = maps.Clone(machines)
	}
	return due
}

func (j *joins) end(tailnet string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.busy, tailnet)
}

// watchJoins looks until ctx ends.
func (r *Reconciler) watchJoins(ctx context.Context) error {
	interval := r.joinInterval()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var all sync.WaitGroup
	defer all.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		for name, machines := range r.joins.begin() {
			all.Go(func() {
				defer r.joins.end(name)
				r.lookForJoins(ctx, name, machines, interval/2)
			})
		}
	}
}

// joinInterval is how often a tailnet is looked at in which a machine is to join: little beside the
// time that a boot takes.
func (r *Reconciler) joinInterval() time.Duration {
	return r.Options.withDefaults().Intervals.Progress / 4
}

// lookForJoins brings each machine of which there is another device than before its next pass. What
// keeps it from looking is told by the passes that come all the same.
func (r *Reconciler) lookForJoins(ctx context.Context, name string, machines map[client.ObjectKey]waiting, age time.Duration) {
	of := &infrav1.Tailnet{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: name}, of); err != nil {
		return
	}
	c, err := r.Access.TailnetClient(ctx, of)
	if err != nil {
		return
	}
	for machine, w := range machines {
		list, err := c.RecentDevices(ctx, age)
		if err != nil {
			return
		}
		if w.fingerprint(list) == w.seen {
			continue
		}
		r.joins.forget(machine)
		select {
		case <-ctx.Done():
			return
		case r.joins.joined <- event.TypedGenericEvent[client.ObjectKey]{Object: machine}:
		}
	}
}

// fingerprint tells the devices that may be the machine's from those that a list showed before.
func (w waiting) fingerprint(list *tailnet.DeviceList) string {
	var ids []string
	for _, device := range list.Of("", w.keyID, w.hostname) {
		tags := slices.Sorted(slices.Values(device.Tags))
		ids = append(ids, device.ID+"@"+device.IPv4().String()+"#"+strings.Join(tags, "#"))
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}
