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
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/loadbalancer"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/network"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// memory is what this process has seen with its own eyes. It spares calls and is not needed: a
// restart looks again. The zero value is ready.
type memory struct {
	mu       sync.Mutex
	networks map[memoryKey]seenNetwork
	empty    map[memoryKey]time.Time
	// balancers go by the cluster's UID.
	balancers map[types.UID]seenBalancer
}

type memoryKey struct {
	cluster types.UID
	account string
}

type seenNetwork struct {
	// client stands for the version of the credentials that it was seen with.
	client *oci.Client
	spec   infrav1.AccountNetwork
	state  network.State
	at     time.Time
}

type seenBalancer struct {
	client *oci.Client
	spec   loadbalancer.Spec
	at     time.Time
}

// balancer tells whether the cluster's load balancer was seen to be as it should be within the
// interval, with this client and for this spec.
func (m *memory) balancer(cluster types.UID, client *oci.Client, spec loadbalancer.Spec, interval time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen, ok := m.balancers[cluster]
	return ok && seen.client == client && seen.spec.Equal(spec) && time.Since(seen.at) < interval
}

// rememberBalancer keeps that the load balancer is as it should be.
func (m *memory) rememberBalancer(cluster types.UID, client *oci.Client, spec loadbalancer.Spec) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.balancers == nil {
		m.balancers = map[types.UID]seenBalancer{}
	}
	m.balancers[cluster] = seenBalancer{client: client, spec: spec, at: time.Now()}
}

// network is the account's complete network, if it was seen within the interval with this client
// and for this spec.
func (m *memory) network(key memoryKey, client *oci.Client, spec infrav1.AccountNetwork, interval time.Duration) (network.State, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen, ok := m.networks[key]
	if !ok || seen.client != client || !equality.Semantic.DeepEqual(seen.spec, spec) || time.Since(seen.at) >= interval {
		return network.State{}, false
	}
	return seen.state, true
}

// remember keeps a complete network.
func (m *memory) remember(key memoryKey, client *oci.Client, spec infrav1.AccountNetwork, state network.State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.networks == nil {
		m.networks = map[memoryKey]seenNetwork{}
	}
	m.networks[key] = seenNetwork{client: client, spec: *spec.DeepCopy(), state: state, at: time.Now()}
}

// emptyFor tells whether the account was seen to be empty of networks for at least that long,
// beginning with the first call.
func (m *memory) emptyFor(key memoryKey, least time.Duration) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	since, ok := m.empty[key]
	if !ok {
		if m.empty == nil {
			m.empty = map[memoryKey]time.Time{}
		}
		since = time.Now()
		m.empty[key] = since
	}
	return time.Since(since) >= least
}

// forget drops what is known of the account's network.
func (m *memory) forget(key memoryKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.networks, key)
	delete(m.empty, key)
}

// forgetCluster drops what is known of the cluster.
func (m *memory) forgetCluster(cluster types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.networks, func(key memoryKey, _ seenNetwork) bool { return key.cluster == cluster })
	maps.DeleteFunc(m.empty, func(key memoryKey, _ time.Time) bool { return key.cluster == cluster })
	delete(m.balancers, cluster)
}
