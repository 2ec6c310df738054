// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/loadbalancer"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// cache is what this process has seen of networks and load balancers. It spares calls and is not
// needed: a restart looks again. The zero value is ready.
type cache struct {
	mu       sync.Mutex
	networks map[accountKey]cachedNetwork
	empty    map[accountKey]time.Time
	// loadBalancers go by the cluster's UID.
	loadBalancers map[types.UID]cachedLoadBalancer
	// signs are those of what may be wrong with networks that were complete.
	signs map[accountKey]signs
	// looks are at networks in the making.
	looks map[accountKey]cachedLook
	// clearings are of networks on their way out.
	clearings map[accountKey]cachedClearing
	// balancers are load balancers that OCI makes or changes.
	balancers map[types.UID]makingBalancer
	// learned is how long OCI takes, pending what it is waited for.
	learned cloud.Waits
	pending cloud.Pending
}

type accountKey struct {
	cluster types.UID
	account string
}

type cachedNetwork struct {
	// client stands for the version of the credentials that it was seen with.
	client *oci.Client
	spec   infrav1.AccountNetwork
	state  network.State
	at     time.Time
}

type cachedLoadBalancer struct {
	client *oci.Client
	spec   loadbalancer.Spec
	at     time.Time
}

// hasLoadBalancer tells whether the cluster's load balancer was seen to be as it should be, with
// this client and for this spec, and no look is due.
func (c *cache) hasLoadBalancer(cluster types.UID, client *oci.Client, spec loadbalancer.Spec, looks looks) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen, ok := c.loadBalancers[cluster]
	return ok && seen.client == client && seen.spec.Equal(spec) && !looks.due(seen.at)
}

// setLoadBalancer keeps that the load balancer is as it should be.
func (c *cache) setLoadBalancer(cluster types.UID, client *oci.Client, spec loadbalancer.Spec) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loadBalancers == nil {
		c.loadBalancers = map[types.UID]cachedLoadBalancer{}
	}
	c.loadBalancers[cluster] = cachedLoadBalancer{client: client, spec: spec, at: time.Now()}
}

// network is the account's complete network, if it was seen with this client and for this spec, and
// no look is due.
func (c *cache) network(key accountKey, client *oci.Client, spec infrav1.AccountNetwork, looks looks) (network.State, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen, ok := c.networks[key]
	if !ok || seen.client != client || !equality.Semantic.DeepEqual(seen.spec, spec) || looks.due(seen.at) {
		return network.State{}, false
	}
	return seen.state, true
}

// setNetwork keeps a complete network.
func (c *cache) setNetwork(key accountKey, client *oci.Client, spec infrav1.AccountNetwork, state network.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.networks == nil {
		c.networks = map[accountKey]cachedNetwork{}
	}
	c.networks[key] = cachedNetwork{client: client, spec: *spec.DeepCopy(), state: state, at: time.Now()}
}

// emptyFor tells whether the account was seen to be empty of networks for at least that long,
// beginning with the first call.
func (c *cache) emptyFor(key accountKey, least time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	since, ok := c.empty[key]
	if !ok {
		if c.empty == nil {
			c.empty = map[accountKey]time.Time{}
		}
		since = time.Now()
		c.empty[key] = since
	}
	return time.Since(since) >= least
}

// beginRemoval drops what was seen of the account's network while it was to be there: from now on
// it is not complete.
func (c *cache) beginRemoval(key accountKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.networks, key)
	delete(c.looks, key)
}

// endRemoval drops what was seen of the account's network on its way out: from now on it is made.
func (c *cache) endRemoval(key accountKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.empty, key)
	delete(c.clearings, key)
}

// dropNetwork drops what is known of the account's network.
func (c *cache) dropNetwork(key accountKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.networks, key)
	delete(c.empty, key)
	delete(c.signs, key)
	delete(c.looks, key)
	delete(c.clearings, key)
}

// dropCluster drops what is known of the cluster.
func (c *cache) dropCluster(cluster types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.networks, func(key accountKey, _ cachedNetwork) bool { return key.cluster == cluster })
	maps.DeleteFunc(c.empty, func(key accountKey, _ time.Time) bool { return key.cluster == cluster })
	maps.DeleteFunc(c.signs, func(key accountKey, _ signs) bool { return key.cluster == cluster })
	maps.DeleteFunc(c.looks, func(key accountKey, _ cachedLook) bool { return key.cluster == cluster })
	maps.DeleteFunc(c.clearings, func(key accountKey, _ cachedClearing) bool { return key.cluster == cluster })
	delete(c.loadBalancers, cluster)
	delete(c.balancers, cluster)
	c.pending.Drop(making(cluster))
	c.pending.Drop(deleting(cluster))
}
