// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
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
	Device   tailnet.Device
	Proof    ownership.Proof
	Statuses Statuses
	Tailnet  *infrav1.Tailnet
	Cluster  *clusterv1.Cluster
	Infra    *infrav1.OCIMeshCluster
	// Seen are the tailnet's devices, as the pass has seen them.
	Seen []tailnet.Device
}

// Approval is what became of a node's pod route.
type Approval struct {
	// Pending says that the route is not approved yet, and is to be looked at again soon.
	Pending bool
	// Finding is why it is refused.
	Finding *Finding
}

// approving has a lock for each address of a coordination server, held while a pod route is
// approved: look at all devices, decide, approve. All nodes of a server share one, whatever kind of
// object and whichever Tailnet they are of: two that claim the same must see each other.
var approving struct {
	sync.Mutex
	of map[string]*sync.Mutex
}

// lockServer waits until no pod route of the Tailnet's server is being approved, and keeps others
// waiting until it is unlocked.
func lockServer(tn *infrav1.Tailnet) (unlock func()) {
	var held []*sync.Mutex
	// One order for all: no two of them wait for each other.
	for _, address := range addressesOf(tn) {
		lock := lockOf(address)
		lock.Lock()
		held = append(held, lock)
	}
	return func() {
		for _, lock := range held {
			lock.Unlock()
		}
	}
}

func lockOf(address string) *sync.Mutex {
	approving.Lock()
	defer approving.Unlock()
	if approving.of == nil {
		approving.of = map[string]*sync.Mutex{}
	}
	if approving.of[address] == nil {
		approving.of[address] = &sync.Mutex{}
	}
	return approving.of[address]
}

// ApprovePodRoute approves the node's part of the pod network if the cluster routes pods by the
// tailnet and this provider approves. In TailnetReady it notes what keeps it from doing so, and
// what takes an approved route's traffic, whoever approved the one and the other.
func ApprovePodRoute(
	ctx context.Context, p *phases.Pass, c Router, statuses Statuses, observed Observed,
	in *infrav1.Tailnet, cluster *clusterv1.Cluster, infra *infrav1.OCIMeshCluster,
) error {
	if !infra.Spec.PodNetwork.Mode.OnTailnet() {
		return nil
	}
	node := podRoute{
		Device: *observed.Device, Proof: observed.Proof, Statuses: statuses, Tailnet: in, Cluster: cluster, Infra: infra, Seen: observed.List.All,
	}
	taken, err := node.taken(ctx)
	if err != nil {
		return err
	}
	if taken != nil {
		p.Note(infrav1.TailnetReadyCondition, taken.Reason, "%s", taken.Message)
	}
	if !in.Spec.RouteApproval.ByProvider() {
		return nil
	}
	approval, err := approvePodRoute(ctx, c, node)
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
	networks, size := podNetworks(n.Cluster, n.Infra), int(n.Infra.Spec.PodNetwork.NodeCIDRMaskSize)
	advertised := slices.DeleteFunc(slices.Clone(n.Device.Routes.Advertised), func(p netip.Prefix) bool { return !concerns(p, networks) })
	switch {
	case len(advertised) == 0:
		// The node gets its pod CIDR only after it has joined the cluster.
		return Approval{Pending: true}, nil
	case len(advertised) > 1 || !isNodeCIDR(advertised[0], networks, size):
		return Approval{Finding: finding(infrav1.PodRouteRefusedReason,
			"Device %s advertises %v, and one /%d of the pod network is expected: no route of it is approved; "+
				"run the controller manager with --node-cidr-mask-size=%d and replace the machine, or recreate the cluster with the size that it has "+
				"in podNetwork.nodeCIDRMaskSize of the OCIMeshCluster", n.Device.Name, advertised, size, size)}, nil
	case slices.Contains(n.Device.Routes.Enabled, advertised[0]):
		return Approval{}, nil
	}
	route := advertised[0]
	pods := networks[slices.IndexFunc(networks, route.Overlaps)]
	if why := NotForPods(n.Tailnet, pods); why != "" {
		return Approval{Finding: finding(infrav1.PodRouteRefusedReason,
			"Device %s advertises %s, a part of the pod network %s: it is not approved, since it would draw what all of the tailnet sends there, and %s",
			n.Device.Name, route, pods, why)}, nil
	}
	defer lockServer(n.Tailnet)()
	all, err := c.Devices(ctx)
	if err != nil {
		return Approval{}, err
	}
	for _, other := range all {
		if other.ID == n.Device.ID {
			continue
		}
		refused, err := n.refuse(ctx, other, route, pods)
		if err != nil {
			return Approval{}, err
		}
		if refused != nil {
			// A node that left may still be on its way out; its route leaves with its device.
			return Approval{Pending: true, Finding: refused}, nil
		}
	}
	return Approval{}, c.ApproveRoutes(ctx, n.Proof, route)
}

// taken tells of another device with a route, approved since, that takes what is sent to the node's
// pods: of two equal routes the server elects one, and of two that overlap the narrower one wins. A
// wider one takes nothing from a route that is approved.
func (n podRoute) taken(ctx context.Context) (*Finding, error) {
	networks := podNetworks(n.Cluster, n.Infra)
	for _, route := range n.Device.Routes.Enabled {
		if !isNodeCIDR(route, networks, int(n.Infra.Spec.PodNetwork.NodeCIDRMaskSize)) {
			continue
		}
		for _, other := range n.Seen {
			i := slices.IndexFunc(other.Routes.Enabled, func(p netip.Prefix) bool { return contains(route, p) })
			if i < 0 || other.ID == n.Device.ID {
				continue
			}
			holder, err := n.Statuses.HolderOf(ctx, n.Tailnet, other)
			if err != nil {
				return nil, err
			}
			return finding(infrav1.PodRouteTakenReason,
				"Route %s, approved for device %s%s, takes what is sent to pods of this machine, which has %s: "+
					"take the approval from that route, or delete the device if it is left over",
				other.Routes.Enabled[i], other.Name, holder.Describe(n.Tailnet, n.Cluster), route), nil
		}
	}
	return nil, nil
}

// refuse says why the route is not approved, if the other device's routes stand against it.
func (n podRoute) refuse(ctx context.Context, other tailnet.Device, route, pods netip.Prefix) (*Finding, error) {
	taken, conflict := Conflict(n.Tailnet, other, route, pods)
	if !conflict {
		return nil, nil
	}
	holder, err := n.Statuses.HolderOf(ctx, n.Tailnet, other)
	if err != nil {
		return nil, err
	}
	return finding(infrav1.PodRouteRefusedReason, "Device %s advertises %s, %s: it is not approved meanwhile; %s", n.Device.Name, route,
		relation(taken, route, other.Name+holder.Describe(n.Tailnet, n.Cluster)), holder.Remedy(n.Cluster)), nil
}

// relation says how the other's approved route is related to this one.
func relation(taken, route netip.Prefix, device string) string {
	switch {
	case taken == route:
		return "which is approved for device " + device
	case taken.Bits() < route.Bits():
		return fmt.Sprintf("which lies in %s, approved for device %s", taken, device)
	}
	return fmt.Sprintf("of which %s is approved for device %s", taken, device)
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

// podNetworks are the cluster's that the tailnet can carry: its routes are of IPv4. What was
// compared with other clusters counts, not what a user has made of the Cluster since.
func podNetworks(cluster *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) []netip.Prefix {
	blocks := infra.Status.Ranges.Pods
	if len(blocks) == 0 {
		blocks = cluster.Spec.ClusterNetwork.Pods.CIDRBlocks
	}
	return cloud.IPv4Networks(blocks)
}
