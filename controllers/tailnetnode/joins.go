// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// Joins looks for the devices of nodes that run and have not joined their tailnet yet. It reads one
// list for all, and brings each node its next pass once it has joined. The zero value only takes
// notes.
type Joins struct {
	mu sync.Mutex
	// waiting are the nodes by their tailnet.
	waiting map[string]map[client.ObjectKey]waiting
	// busy are the tailnets being looked at now: a slow one holds up no other.
	busy map[string]bool
	// joined receives the nodes; nil if nobody looks.
	joined chan event.TypedGenericEvent[client.ObjectKey]
}

// waiting is the hostname and key of a node that is to join, and the devices of its name, not its
// own, in its last pass.
type waiting struct{ hostname, keyID, seen string }

// Joined receives the nodes with another device than before. Call it before Watch: from then on
// somebody looks.
func (j *Joins) Joined() <-chan event.TypedGenericEvent[client.ObjectKey] {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.joined == nil {
		j.joined = make(chan event.TypedGenericEvent[client.ObjectKey])
	}
	return j.joined
}

// await notes a node to wait for, and tells whether somebody looks for it.
func (j *Joins) await(tailnet string, node client.ObjectKey, w waiting) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.waiting == nil {
		j.waiting = map[string]map[client.ObjectKey]waiting{}
	}
	if j.waiting[tailnet] == nil {
		j.waiting[tailnet] = map[client.ObjectKey]waiting{}
	}
	j.waiting[tailnet][node] = w
	return j.joined != nil
}

// Waiting are the nodes yet to join.
func (j *Joins) Waiting() []client.ObjectKey {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []client.ObjectKey
	for _, nodes := range j.waiting {
		all = slices.AppendSeq(all, maps.Keys(nodes))
	}
	return all
}

// Forget ends the wait for a node. Each pass over it begins so, and notes it anew if it ends with
// waiting.
func (j *Joins) Forget(node client.ObjectKey) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for tailnet, nodes := range j.waiting {
		delete(nodes, node)
		if len(nodes) == 0 {
			delete(j.waiting, tailnet)
		}
	}
}

// begin are the tailnets to look at, from now on busy, with the nodes to join them.
func (j *Joins) begin() map[string]map[client.ObjectKey]waiting {
	j.mu.Lock()
	defer j.mu.Unlock()
	due := map[string]map[client.ObjectKey]waiting{}
	for tailnet, nodes := range j.waiting {
		if j.busy[tailnet] {
			continue
		}
		if j.busy == nil {
			j.busy = map[string]bool{}
		}
		j.busy[tailnet] = true
		due[tailnet] = maps.Clone(nodes)
	}
	return due
}

func (j *Joins) end(tailnet string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.busy, tailnet)
}

// TailnetClients hands out clients of tailnets.
type TailnetClients interface {
	TailnetClient(ctx context.Context, of *infrav1.Tailnet) (*tailnet.Client, error)
}

// Watch looks until ctx ends, as often as JoinInterval says.
func (j *Joins) Watch(ctx context.Context, tailnets client.Reader, clients TailnetClients, interval time.Duration) error {
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
		for name, nodes := range j.begin() {
			all.Go(func() {
				defer j.end(name)
				of := &infrav1.Tailnet{}
				if err := tailnets.Get(ctx, client.ObjectKey{Name: name}, of); err != nil {
					return
				}
				if c, err := clients.TailnetClient(ctx, of); err == nil {
					j.look(ctx, c, nodes, interval/2)
				}
			})
		}
	}
}

// Source is for a controller of nodes: it looks for their devices while the manager leads, and
// brings each node its next pass once it has joined. progress is the interval of nodes that change.
func (j *Joins) Source(mgr manager.Manager, clients TailnetClients, progress time.Duration) (source.Source, error) {
	joined := j.Joined()
	err := mgr.Add(manager.RunnableFunc(func(ctx context.Context) error {
		return j.Watch(ctx, mgr.GetClient(), clients, JoinInterval(progress))
	}))
	return source.Channel(joined, handler.TypedEnqueueRequestsFromMapFunc[client.ObjectKey, reconcile.Request](
		func(_ context.Context, node client.ObjectKey) []reconcile.Request {
			return []reconcile.Request{{NamespacedName: node}}
		})), err
}

// JoinInterval is how often a tailnet is looked at while a node is to join it, for a progress
// interval of nodes that change: little beside the time of a boot.
func JoinInterval(progress time.Duration) time.Duration { return progress / 4 }

// look brings each node with another device than before its next pass. If it cannot look, the
// passes of the nodes, which come all the same, tell why.
func (j *Joins) look(ctx context.Context, c *tailnet.Client, nodes map[client.ObjectKey]waiting, age time.Duration) {
	for node, w := range nodes {
		list, err := c.RecentDevices(ctx, age)
		if err != nil {
			return
		}
		if w.fingerprint(list) == w.seen {
			continue
		}
		j.Forget(node)
		select {
		case <-ctx.Done():
			return
		case j.joined <- event.TypedGenericEvent[client.ObjectKey]{Object: node}:
		}
	}
}

// fingerprint tells devices possibly the node's from those of an earlier list.
func (w waiting) fingerprint(list *tailnet.DeviceList) string {
	var ids []string
	for _, device := range list.Of("", w.keyID, w.hostname) {
		tags := slices.Sorted(slices.Values(device.Tags))
		ids = append(ids, device.ID+"@"+device.IPv4().String()+"#"+strings.Join(tags, "#"))
	}
	slices.Sort(ids)
	return strings.Join(ids, " ")
}
