// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// Router approves routes of devices, and lists all devices with theirs.
type Router interface {
	ApproveRoutes(ctx context.Context, proof ownership.Proof, prefixes ...netip.Prefix) error
	Devices(ctx context.Context) ([]tailnet.Device, error)
}

// podRoute is a node's part of the pod network.
type podRoute struct {
	Device  tailnet.Device
	Proof   ownership.Proof
	Tailnet *infrav1.Tailnet
	Cluster *clusterv1.Cluster
	Network infrav1.PodNetwork
}

// Approval is what became of a node's pod route.
type Approval struct {
	// Pending says that the route is not approved yet, and is to be looked at again soon.
	Pending bool
	// Finding is why it is refused.
	Finding *Finding
}

// approving has a lock for each coordination server, held while a pod route is approved: look at
// all devices, decide, approve. All its nodes share it, whatever kind of object and whichever
// Tailnet they are of: two that claim the same must see each other.
var approving struct {
	sync.Mutex
	of map[string]*sync.Mutex
}

func lockOf(server string) *sync.Mutex {
	approving.Lock()
	defer approving.Unlock()
	if approving.of == nil {
		approving.of = map[string]*sync.Mutex{}
	}
	if approving.of[server] == nil {
		approving.of[server] = &sync.Mutex{}
	}
	return approving.of[server]
}

// private is what pod networks lie in. Users choose their Cluster's, and routes are for the whole
// tailnet. Source: RFC 1918.
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
}

// ApprovePodRoute approves the node's part of the pod network if the cluster routes pods by the
// tailnet and this provider approves, and notes what keeps it from doing so in TailnetReady.
func ApprovePodRoute(
	ctx context.Context, p *phases.Pass, c Router, observed Observed, in *infrav1.Tailnet, cluster *clusterv1.Cluster, infra *infrav1.OCIMeshCluster,
) error {
	network := infra.Spec.PodNetwork
	if network.Mode != infrav1.PodNetworkTailnetRoutes || in.Spec.RouteApproval != infrav1.RouteApprovalProvider {
		return nil
	}
	approval, err := approvePodRoute(ctx, c, podRoute{
		Device: *observed.Device, Proof: observed.Proof, Tailnet: in, Cluster: cluster, Network: network,
	})
	if approval.Pending {
		p.Requeue(p.Intervals.Progress)
	}
	if approval.Finding != nil {
		p.Note(infrav1.TailnetReadyCondition, approval.Finding.Reason, "%s", approval.Finding.Message)
	}
	return err
}

// approvePodRoute approves the one route that can be the node's pod CIDR. Nodes are not trusted:
// whoever may advertise a larger part of the pod network, or another node's, draws other pods'
// traffic.
func approvePodRoute(ctx context.Context, c Router, n podRoute) (Approval, error) {
	networks, size := podNetworks(n.Cluster), int(n.Network.NodeCIDRMaskSize)
	advertised := slices.DeleteFunc(slices.Clone(n.Device.Routes.Advertised), func(p netip.Prefix) bool { return !concerns(p, networks) })
	switch {
	case len(advertised) == 0:
		// The node gets its pod CIDR only after it has joined the cluster.
		return Approval{Pending: true}, nil
	case len(advertised) > 1 || !isNodeCIDR(advertised[0], networks, size):
		return Approval{Finding: finding(infrav1.PodRouteRefusedReason,
			"Device %s advertises %v, and one /%d of the pod network is expected: no route of it is approved; "+
				"set podNetwork.nodeCIDRMaskSize of the OCIMeshCluster to the controller manager's --node-cidr-mask-size, or replace the machine",
			n.Device.Name, advertised, size)}, nil
	case slices.Contains(n.Device.Routes.Enabled, advertised[0]):
		return Approval{}, nil
	}
	route := advertised[0]
	if !slices.ContainsFunc(private, func(p netip.Prefix) bool { return p.Overlaps(route) && p.Bits() <= route.Bits() }) {
		return Approval{Finding: finding(infrav1.PodRouteRefusedReason,
			"Device %s advertises %s, which is no private address space: it is not approved, since it would draw what all of the tailnet sends "+
				"to the Internet; give the cluster a pod network within %v", n.Device.Name, route, private)}, nil
	}
	if vips, err := netip.ParsePrefix(n.Tailnet.Spec.VIPRange); err == nil && vips.Overlaps(route) {
		return Approval{Finding: finding(infrav1.PodRouteRefusedReason,
			"Device %s advertises %s, which lies in the vipRange %s of Tailnet %s: it is not approved; give the cluster another pod network",
			n.Device.Name, route, vips, n.Tailnet.Name)}, nil
	}
	lock := lockOf(ServerOf(n.Tailnet))
	lock.Lock()
	defer lock.Unlock()
	all, err := c.Devices(ctx)
	if err != nil {
		return Approval{}, err
	}
	for _, other := range all {
		if other.ID != n.Device.ID && n.conflicts(other, route, networks) {
			// A node that left may still be on its way out; its route leaves with its device.
			return Approval{Pending: true, Finding: finding(infrav1.PodRouteRefusedReason,
				"Device %s advertises %s, which is approved for device %s: it is approved once that device or its route is gone; "+
					"delete the device if it is no node any more", n.Device.Name, route, other.Name)}, nil
		}
	}
	return Approval{}, c.ApproveRoutes(ctx, n.Proof, route)
}

// conflicts tells whether the route would draw traffic that goes to the other device now. Tailscale
// takes the most specific route (tailscale.com/kb/1019/subnets), so that what goes anywhere, or to
// more than the whole pod network, is another's only by default: an exit node's 0.0.0.0/0, an
// office's 10.0.0.0/8. A node's never is.
func (n podRoute) conflicts(other tailnet.Device, route netip.Prefix, networks []netip.Prefix) bool {
	return slices.ContainsFunc(other.Routes.Enabled, func(enabled netip.Prefix) bool {
		if !enabled.Overlaps(route) || enabled.Bits() == 0 {
			return false
		}
		byDefault := slices.ContainsFunc(networks, func(pods netip.Prefix) bool {
			return pods.Overlaps(route) && enabled.Bits() <= pods.Bits()
		})
		return !byDefault || n.isNode(other)
	})
}

// isNode tells whether the device has a tag of this tailnet's nodes, of any cluster.
func (n podRoute) isNode(device tailnet.Device) bool {
	return slices.ContainsFunc(device.Tags, func(tag string) bool {
		return slices.Contains(n.Tailnet.Spec.NodeTags, tag) || slices.Contains(n.Tailnet.Spec.ControlPlaneTags, tag)
	})
}

// concerns tells whether the prefix has to do with the pod networks.
func concerns(prefix netip.Prefix, networks []netip.Prefix) bool {
	return prefix.Bits() > 0 && slices.ContainsFunc(networks, prefix.Overlaps)
}

// isNodeCIDR tells whether the prefix is of the size of a node's pod CIDR and within a pod network.
func isNodeCIDR(prefix netip.Prefix, networks []netip.Prefix, size int) bool {
	return prefix.Bits() == size && slices.ContainsFunc(networks, func(pods netip.Prefix) bool {
		return pods.Contains(prefix.Addr()) && prefix.Bits() > pods.Bits()
	})
}

// podNetworks are the Cluster's that the tailnet can carry: its routes are of IPv4.
func podNetworks(cluster *clusterv1.Cluster) []netip.Prefix {
	var networks []netip.Prefix
	for _, block := range cluster.Spec.ClusterNetwork.Pods.CIDRBlocks {
		if pods, err := netip.ParsePrefix(block); err == nil && pods.Addr().Is4() {
			networks = append(networks, pods.Masked())
		}
	}
	return networks
}
