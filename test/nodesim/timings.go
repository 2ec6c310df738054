// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package nodesim

import "time"

// Timings are how long a simulated node takes and waits. The zero value of a field means its
// default, short enough for unit tests.
type Timings struct {
	// Boot is the time from RUNNING until cloud-init reads the user data.
	Boot time.Duration
	// Init is how long `kubeadm init` takes, Join how long `kubeadm join` does.
	Init, Join time.Duration
	// Retry is the pause between attempts to join the tailnet and to reach the
	// API server.
	Retry time.Duration
	// DiscoveryTimeout is how long `kubeadm join` waits for the API server and
	// a known token; kubeadm's own default is five minutes.
	DiscoveryTimeout time.Duration
	// NodeGrace is how long a node's last heartbeat counts before its Ready
	// condition becomes Unknown (kube-controller-manager's
	// --node-monitor-grace-period, 50 s by default).
	NodeGrace time.Duration
	// Failover is how long the VIP is gone when its control plane fails; on a real tailnet: 4 to 12
	// s.
	Failover time.Duration
	// Tick is the interval for checking the state of a workload cluster.
	Tick time.Duration
}

func (t Timings) withDefaults() Timings {
	for _, d := range []struct {
		field    *time.Duration
		fallback time.Duration
	}{
		{&t.Boot, 10 * time.Millisecond},
		{&t.Init, 20 * time.Millisecond},
		{&t.Join, 20 * time.Millisecond},
		{&t.Retry, 50 * time.Millisecond},
		{&t.DiscoveryTimeout, 5 * time.Minute},
		{&t.NodeGrace, 500 * time.Millisecond},
		{&t.Failover, 100 * time.Millisecond},
		{&t.Tick, 50 * time.Millisecond},
	} {
		if *d.field == 0 {
			*d.field = d.fallback
		}
	}
	return t
}
