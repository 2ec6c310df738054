// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	inmemoryruntime "sigs.k8s.io/cluster-api/test/infrastructure/inmemory/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

// tailnet has the nodes' calls to the tailnet simulator, tailnetsim.Server.
type tailnet interface {
	// Register joins with an auth key; it fails as the coordination server would, for an unknown,
	// expired or used key.
	Register(authKey, hostname string) (tailnetsim.Device, error)
	SetOnline(device string, online bool) error
	// Advertise replaces the routes the device offers.
	Advertise(device string, routes ...netip.Prefix) error
	// PrimaryRouter is the device receiving the traffic for a route.
	PrimaryRouter(route netip.Prefix) (tailnetsim.Device, bool)
}

// Options configure a booter.
type Options struct {
	// Tailnet is the nodes' tailnet, usually a tailnetsim.Server.
	Tailnet tailnet
	// Balanced tells whether a load balancer sends connections to an instance, by OCID. It is
	// called for control planes of clusters with an endpoint outside of the tailnet; nil means
	// always.
	Balanced func(instance string) bool
	Timings  Timings
	// Log receives errors of the booter itself and, at V(1), the nodes' consoles.
	Log logr.Logger
}

// Booter runs the nodes of any number of workload clusters.
type Booter struct {
	tailnet  tailnet
	balanced func(instance string) bool
	timings  Timings
	log      logr.Logger
	manager  inmemoryruntime.Manager

	ctx    context.Context //nolint:containedctx // the life of all nodes, which callbacks without a context start
	cancel context.CancelFunc
	wait   sync.WaitGroup

	mu       sync.Mutex
	nodes    map[string]*node
	clusters map[string]*runningCluster
	// terminated are instances that never boot again, broken those whose boot brings up nothing.
	terminated, broken map[string]bool
}

type runningCluster struct {
	*cluster
	cancel context.CancelFunc
	done   chan struct{}
}

// New starts a booter without nodes. Close it to end all of them.
func New(ctx context.Context, o Options) (*Booter, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		corev1.AddToScheme, appsv1.AddToScheme, rbacv1.AddToScheme, storagev1.AddToScheme,
		policyv1.AddToScheme, apiextensionsv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("set up the workload clusters' API types: %w", err)
		}
	}
	ctx, cancel := context.WithCancel(ctrl.LoggerInto(ctx, o.Log))
	manager := inmemoryruntime.NewManager(scheme)
	if err := manager.Start(ctx); err != nil {
		cancel()
		return nil, fmt.Errorf("start the in-memory store of workload clusters: %w", err)
	}
	balanced := o.Balanced
	if balanced == nil {
		balanced = func(string) bool { return true }
	}
	return &Booter{
		tailnet: o.Tailnet, balanced: balanced, timings: o.Timings.withDefaults(), log: o.Log, manager: manager, ctx: ctx, cancel: cancel,
		nodes: map[string]*node{}, clusters: map[string]*runningCluster{}, terminated: map[string]bool{}, broken: map[string]bool{},
	}, nil
}

// Close ends all nodes and clusters, and waits for them.
func (b *Booter) Close() {
	b.cancel()
	b.mu.Lock()
	nodes := slices.Collect(maps.Values(b.nodes))
	b.mu.Unlock()
	for _, n := range nodes {
		n.stop()
	}
	b.wait.Wait()
}

// Boot starts an instance: for the first time, or again after a stop. The node runs until ctx ends,
// Stop or Terminate; Boot does not wait for its end.
func (b *Booter) Boot(ctx context.Context, i Instance) {
	b.mu.Lock()
	n := b.nodes[i.ID]
	switch {
	case ctx.Err() != nil || b.ctx.Err() != nil || b.terminated[i.ID] || b.broken[i.ID]:
		// The simulator reports events in goroutines: this one came too late.
		b.mu.Unlock()
		return
	case n == nil:
		n = &node{instance: i, booter: b}
		b.nodes[i.ID] = n
	}
	b.mu.Unlock()
	n.start(ctx)
}

// Stop switches an instance off; its disk stays. While OCI's instance runs on, it is a node that
// hangs.
func (b *Booter) Stop(id string) {
	b.mu.Lock()
	n := b.nodes[id]
	b.mu.Unlock()
	if n != nil {
		n.stop()
	}
}

// Break has a node hang for good: no boot of its instance brings it back.
func (b *Booter) Break(id string) {
	b.mu.Lock()
	b.broken[id] = true
	b.mu.Unlock()
	b.Stop(id)
}

// Terminate ends an instance for good. A cluster without its last control plane has lost its data,
// and is forgotten.
func (b *Booter) Terminate(id string) {
	b.Stop(id)
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.nodes, id)
	b.terminated[id] = true
	exists := func(instance string) bool { return b.nodes[instance] != nil }
	for address, c := range b.clusters {
		if !c.empty(exists) {
			continue
		}
		c.cancel()
		<-c.done
		b.manager.DeleteResourceGroup(c.group)
		delete(b.clusters, address)
	}
}

// Console returns what an instance wrote to its console, line by line.
func (b *Booter) Console(id string) ([]string, error) {
	b.mu.Lock()
	n := b.nodes[id]
	b.mu.Unlock()
	if n == nil {
		return nil, errors.New("no such instance was ever booted, or it was terminated")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.console), nil
}

// cluster returns the workload cluster of an endpoint, initialised or not.
func (b *Booter) cluster(endpoint string) *cluster {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c := b.clusters[endpoint]; c != nil {
		return c.cluster
	}
	ctx, cancel := context.WithCancel(b.ctx)
	c := &runningCluster{
		cluster: newCluster(endpoint, b.manager, b.timings, b.log), cancel: cancel, done: make(chan struct{}),
	}
	b.clusters[endpoint] = c
	b.wait.Go(func() {
		defer close(c.done)
		c.run(ctx)
	})
	return c.cluster
}
