// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetsim

import (
	"net/netip"
	"slices"
	"time"
)

// Neighbours are what users have on a tailnet beside a cluster of ours.
type Neighbours struct {
	// ConnectorRange is the foreign pod range that a Kubernetes operator's connector routes;
	// 10.42.0.0/16 by default, which is K3s' (docs.k3s.io/cli/server, --cluster-cidr).
	ConnectorRange netip.Prefix
	// ClusterTags are the tags of another cluster's nodes, which are ours if that cluster has our
	// settings. Without tags there is no such cluster.
	ClusterTags []string
	// ClusterRoutes are approved for that cluster's node; 10.244.0.0/24 by default, what the first
	// node of a cluster with the usual pod range gets.
	ClusterRoutes []netip.Prefix
}

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// AddNeighbours adds an exit node, routers of a home and of an office, a Kubernetes operator's
// connector, a device without addresses, one whose key has expired, another cluster's node, and at
// Tailscale a phone that somebody shares and a laptop that Tailnet Lock does not know: Headscale
// has neither. They are in the API's answers, and apart from Devices and Leftovers.
func (s *Server) AddNeighbours(n Neighbours) {
	if !n.ConnectorRange.IsValid() {
		n.ConnectorRange = netip.MustParsePrefix("10.42.0.0/16")
	}
	if n.ClusterRoutes == nil {
		n.ClusterRoutes = prefixes("10.244.0.0/24")
	}
	const person = "ana"
	now := s.opts.Clock()
	router := func(routes ...netip.Prefix) func(*Device) {
		return func(d *Device) {
			d.User, d.Expires, d.Advertised, d.Enabled = person, now.Add(180*24*time.Hour), routes, slices.Clone(routes)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	add := func(hostname string, change func(*Device)) { s.add(hostname, change).neighbour = true }
	add("exit-node", router(allIPv4, allIPv6))
	add("home-router", router(prefixes("192.168.1.0/24")...))
	add("office-router", router(prefixes("10.0.0.0/8")...))
	add("connector-0", func(d *Device) {
		router(n.ConnectorRange)(d)
		// The operator's default tag (tailscale.com/kb/1236/kubernetes-operator).
		d.User, d.Tags, d.KeyExpiryDisabled = "", []string{"tag:k8s"}, true
	})
	add("no-address", func(d *Device) {
		router()(d)
		d.IPv4, d.IPv6, d.Online = netip.Addr{}, netip.Addr{}, false
	})
	add("old-laptop", func(d *Device) {
		router()(d)
		d.Created, d.Expires, d.Online = now.Add(-300*24*time.Hour), now.Add(-120*24*time.Hour), false
	})
	if len(n.ClusterTags) > 0 {
		add("other-md-0-x7k2p-9qz4w", func(d *Device) {
			router(n.ClusterRoutes...)(d)
			d.User, d.Tags, d.KeyExpiryDisabled = "", slices.Clone(n.ClusterTags), true
		})
	}
	if s.isHeadscale() {
		return
	}
	add("phone", func(d *Device) { d.External, d.User = true, "ben@example.org" })
	add("unsigned-laptop", func(d *Device) {
		router()(d)
		d.LockError = "node key is not signed"
	})
}

// Neighbours returns the devices of AddNeighbours.
func (s *Server) Neighbours() []Device {
	return s.devicesThat(func(d *device) bool { return d.neighbour })
}
