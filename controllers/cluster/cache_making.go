// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/loadbalancer"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// balancerWork is what load balancers take the same time for: their making, changes and end.
const balancerWork = "load balancer"

// firstLook is the latest time to look at work that was never seen to end: parts of a network take
// seconds, and a user's first cluster waits for each of them in turn.
const firstLook = 2 * time.Second

type cachedLook struct {
	client *oci.Client
	spec   infrav1.AccountNetwork
	look   *network.Look
}

// waits learns how long OCI takes; progress bounds when to look at what was never seen to end.
func (c *cache) waits(progress time.Duration) *cloud.Waits {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.learned.First == 0 {
		c.learned.First, c.pending.Waits = min(progress, firstLook), &c.learned
		c.learned.NoLess = map[string]string{balancerWork: network.Part}
	}
	return &c.learned
}

// look is what was seen of the account's network in the making, with this client and for this spec;
// a new one if there is none, or if it is old.
func (c *cache) look(key accountKey, client *oci.Client, spec infrav1.AccountNetwork, waits *cloud.Waits) *network.Look {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen, ok := c.looks[key]
	if ok && seen.client == client && equality.Semantic.DeepEqual(seen.spec, spec) && !seen.look.IsOld() {
		return seen.look
	}
	if c.looks == nil {
		c.looks = map[accountKey]cachedLook{}
	}
	look := network.NewLook(client, waits)
	c.looks[key] = cachedLook{client: client, spec: *spec.DeepCopy(), look: look}
	return look
}

// dropLook drops what was seen of the account's network in the making.
func (c *cache) dropLook(key accountKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.looks, key)
}

// cachedClearing is what was seen of a network on its way out.
type cachedClearing struct {
	client   *oci.Client
	clearing *network.Clearing
}

// clearing is what was seen of the account's network on its way out, with this client.
func (c *cache) clearing(key accountKey, client *oci.Client, waits *cloud.Waits) *network.Clearing {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seen, ok := c.clearings[key]; ok && seen.client == client && !seen.clearing.IsOld() {
		return seen.clearing
	}
	if c.clearings == nil {
		c.clearings = map[accountKey]cachedClearing{}
	}
	c.clearings[key] = cachedClearing{client: client, clearing: network.NewClearing(waits)}
	return c.clearings[key].clearing
}

// dropClearing drops what was seen of the account's network on its way out.
func (c *cache) dropClearing(key accountKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.clearings, key)
}

// makingBalancer is a load balancer that OCI makes or changes.
type makingBalancer struct {
	client  *oci.Client
	spec    loadbalancer.Spec
	problem *access.Problem
}

// making and deleting are the keys of what is waited for.
func making(cluster types.UID) string { return "making " + string(cluster) }

func deleting(cluster types.UID) string { return "deleting " + string(cluster) }

// beingMade is what was told of the cluster's load balancer, if it cannot be done yet; else nil.
func (c *cache) beingMade(cluster types.UID, client *oci.Client, spec loadbalancer.Spec) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen, ok := c.balancers[cluster]
	after := c.pending.After(making(cluster), time.Now())
	if !ok || after <= 0 || seen.client != client || !seen.spec.Equal(spec) {
		return nil
	}
	problem := *seen.problem
	problem.RetryAfter = after
	return &problem
}

// setMaking keeps what is told of the cluster's load balancer until it can be done, and returns it
// with the time of the next look.
func (c *cache) setMaking(cluster types.UID, client *oci.Client, spec loadbalancer.Spec, problem *access.Problem) error {
	problem.RetryAfter = c.pending.Unfinished(making(cluster), balancerWork, time.Now())
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.balancers == nil {
		c.balancers = map[types.UID]makingBalancer{}
	}
	c.balancers[cluster] = makingBalancer{client: client, spec: spec, problem: problem}
	return problem
}

// madeLoadBalancer says that OCI is done with the cluster's load balancer.
func (c *cache) madeLoadBalancer(cluster types.UID) {
	c.pending.Finished(making(cluster), time.Now())
	c.forgetMaking(cluster)
}

// forgetMaking says that nobody waits for the cluster's load balancer.
func (c *cache) forgetMaking(cluster types.UID) {
	c.pending.Drop(making(cluster))
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.balancers, cluster)
}
