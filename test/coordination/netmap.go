// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/netip"
	"slices"
	"time"

	"tailscale.com/tailcfg"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/tailnetsim"
)

const domain = "lab.example"

// mapResponse is the whole state as a node sees it, and whether the node still exists. sent are the
// node's known peers, and is brought up to date.
func (s *server) mapResponse(n *node, sent map[tailcfg.NodeID]bool) (*tailcfg.MapResponse, bool) {
	devices := s.devices()
	routes := s.primaryRoutes(devices)
	s.mu.Lock()
	defer s.mu.Unlock()
	self, exists := devices[n.device]
	if !exists || self.LoggedOut {
		delete(s.nodes, n.device)
		// An expired key tells a node about its deletion.
		gone := n.config(tailnetsim.Device{ID: n.device}, nil)
		gone.KeyExpiry = time.Now().Add(-time.Hour)
		return &tailcfg.MapResponse{Node: gone}, false
	}
	res := &tailcfg.MapResponse{
		Node: n.config(self, routes[n.device]), DERPMap: s.relay, Domain: domain, DNSConfig: &tailcfg.DNSConfig{},
		PacketFilter: tailcfg.FilterAllowAll, UserProfiles: []tailcfg.UserProfile{taggedUser},
	}
	res.Node.CapMap = s.attributes(self)
	now := map[tailcfg.NodeID]bool{}
	for _, peer := range s.nodes {
		d, ok := devices[peer.device]
		if !ok || peer == n || d.LoggedOut {
			continue
		}
		res.Peers = append(res.Peers, peer.config(d, routes[peer.device]))
		now[peer.id] = true
	}
	slices.SortFunc(res.Peers, func(a, b *tailcfg.Node) int { return int(a.ID - b.ID) })
	for id := range sent {
		// An empty list means no change, not no peers.
		if len(res.Peers) == 0 {
			res.PeersRemoved = append(res.PeersRemoved, id)
		}
		delete(sent, id)
	}
	for id := range now {
		sent[id] = true
	}
	return res, true
}

// attributes are a device's by the policy.
func (s *server) attributes(d tailnetsim.Device) tailcfg.NodeCapMap {
	attributes := tailcfg.NodeCapMap{tailcfg.NodeAttrDisableUPnP: nil}
	if slices.ContainsFunc(d.Tags, func(tag string) bool { return slices.Contains(s.tags, tag) }) {
		attributes[tailcfg.NodeAttrCacheNetworkMaps] = nil
	}
	return attributes
}

// primaryRoutes are the routes by the device receiving their traffic.
func (s *server) primaryRoutes(devices map[string]tailnetsim.Device) map[string][]netip.Prefix {
	prefixes := map[netip.Prefix]bool{}
	for _, d := range devices {
		for _, prefix := range d.Enabled {
			prefixes[prefix] = true
		}
	}
	routes := map[string][]netip.Prefix{}
	for prefix := range prefixes {
		if primary, ok := s.sim.PrimaryRouter(prefix); ok {
			routes[primary.ID] = append(routes[primary.ID], prefix)
		}
	}
	for _, list := range routes {
		slices.SortFunc(list, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	}
	return routes
}

// config is a node as the protocol describes it.
func (n *node) config(d tailnetsim.Device, routes []netip.Prefix) *tailcfg.Node {
	out := &tailcfg.Node{
		ID: n.id, StableID: tailcfg.StableNodeID(d.ID), Name: d.Name + "." + domain + ".", User: taggedUser.ID, Key: n.key,
		Machine: n.machine, DiscoKey: n.disco, Endpoints: n.endpoints, HomeDERP: n.homeDERP, Created: d.Created, Cap: n.version,
		MachineAuthorized: d.Authorized, Tags: d.Tags, Online: new(d.Online), PrimaryRoutes: routes,
	}
	if !d.Online {
		out.LastSeen = new(d.LastSeen)
	}
	if n.hostinfo != nil {
		out.Hostinfo = n.hostinfo.View()
	}
	if d.IPv4.IsValid() {
		out.Addresses = []netip.Prefix{netip.PrefixFrom(d.IPv4, 32), netip.PrefixFrom(d.IPv6, 128)}
	}
	out.AllowedIPs = slices.Concat(out.Addresses, routes)
	return out
}
