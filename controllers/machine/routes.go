// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"net/netip"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// router approves routes of a device, and lists those of all devices.
type router interface {
	ApproveRoutes(ctx context.Context, deviceID string, prefixes ...netip.Prefix) error
	Devices(ctx context.Context) ([]tailnet.Device, error)
}

// approve approves exactly the routes that this provider has the machine advertise: a control plane's VIP, and the node's own
// part of the pod network.
func (r *Reconciler) approve(ctx context.Context, s *scope, c router) error {
	if s.tailnet.Spec.RouteApproval != infrav1.RouteApprovalProvider {
		return nil
	}
	if vip, ok := s.vip(); ok && s.isControlPlane() {
		route := netip.PrefixFrom(vip, vip.BitLen())
		if !slices.Contains(s.device.Routes.Enabled, route) {
			if err := c.ApproveRoutes(ctx, s.device.ID, route); err != nil {
				return err
			}
		}
	}
	if s.infraCluster.Spec.PodNetwork.Mode != infrav1.PodNetworkTailnetRoutes {
		return nil
	}
	return r.approvePodRoute(ctx, s, c)
}

// approvePodRoute approves the one route that can be the node's pod CIDR. Nodes are not trusted: whoever may advertise a
// larger part of the pod network, or another node's, draws other pods' traffic.
func (r *Reconciler) approvePodRoute(ctx context.Context, s *scope, c router) error {
	advertised := slices.DeleteFunc(slices.Clone(s.device.Routes.Advertised), func(p netip.Prefix) bool { return !s.inPodNetwork(p) })
	switch {
	case len(advertised) == 0:
		// The node gets its pod CIDR only after it has joined the cluster.
		s.requeue(r.Options.withDefaults().ProgressInterval)
		return nil
	case len(advertised) > 1 || !s.isNodeCIDR(advertised[0]):
		s.note(infrav1.TailnetReadyCondition, infrav1.PodRouteRefusedReason,
			"Device %s advertises %v, and one /%d of the pod network is expected: no route of it is approved; "+
				"set podNetwork.nodeCIDRMaskSize of the OCIMeshCluster to the controller manager's --node-cidr-mask-size, or replace the machine",
			s.device.Name, advertised, s.nodeCIDRMaskSize())
		return nil
	case slices.Contains(s.device.Routes.Enabled, advertised[0]):
		return nil
	}
	// Two nodes that claim the same must see each other.
	r.approving.Lock()
	defer r.approving.Unlock()
	devices, err := c.Devices(ctx)
	if err != nil {
		return err
	}
	for _, other := range devices {
		if other.ID != s.device.ID && slices.ContainsFunc(other.Routes.Enabled, advertised[0].Overlaps) {
			// A node that left may still be on its way out; its route leaves with its device.
			s.requeue(r.Options.withDefaults().ProgressInterval)
			s.note(infrav1.TailnetReadyCondition, infrav1.PodRouteRefusedReason,
				"Device %s advertises %s, which is approved for device %s: it is approved once that device or its route is gone; "+
					"delete the device if it is no node any more", s.device.Name, advertised[0], other.Name)
			return nil
		}
	}
	return c.ApproveRoutes(ctx, s.device.ID, advertised[0])
}

// vip is the cluster's address in the tailnet, if it has one.
func (s *scope) vip() (netip.Addr, bool) {
	if s.infraCluster == nil || s.infraCluster.Spec.EndpointType != infrav1.EndpointTailnetVIP {
		return netip.Addr{}, false
	}
	vip, err := netip.ParseAddr(s.infraCluster.Spec.ControlPlaneEndpoint.Host)
	return vip, err == nil
}

// inPodNetwork tells whether the prefix has to do with the cluster's pod network.
func (s *scope) inPodNetwork(prefix netip.Prefix) bool {
	return prefix.Bits() > 0 && slices.ContainsFunc(s.podNetworks(), prefix.Overlaps)
}

// isNodeCIDR tells whether the prefix is of the size of a node's pod CIDR and within the pod network.
func (s *scope) isNodeCIDR(prefix netip.Prefix) bool {
	return prefix.Bits() == s.nodeCIDRMaskSize() && slices.ContainsFunc(s.podNetworks(), func(pods netip.Prefix) bool {
		return pods.Contains(prefix.Addr()) && prefix.Bits() > pods.Bits()
	})
}

func (s *scope) nodeCIDRMaskSize() int { return int(s.infraCluster.Spec.PodNetwork.NodeCIDRMaskSize) }

// podNetworks are the Cluster's that the tailnet can carry: its routes are of IPv4.
func (s *scope) podNetworks() []netip.Prefix {
	var networks []netip.Prefix
	for _, block := range s.cluster.Spec.ClusterNetwork.Pods.CIDRBlocks {
		if pods, err := netip.ParsePrefix(block); err == nil && pods.Addr().Is4() {
			networks = append(networks, pods)
		}
	}
	return networks
}
