// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// private is what pod networks lie in, unless the Tailnet names its ranges. Users choose their
// Cluster's, and routes are for the whole tailnet. Source: RFC 1918.
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
}

// NotForPods says why the tailnet must not carry the pod network, as a clause with what to do;
// empty if it may.
func NotForPods(tn *infrav1.Tailnet, pods netip.Prefix) string {
	allowed := cloud.Networks(tn.Spec.PodRanges)
	if len(allowed) == 0 && !within(private, pods) {
		return fmt.Sprintf("it is no private address space: give the cluster a pod network within %v, or name it in podRanges of Tailnet %s",
			private, tn.Name)
	}
	if len(allowed) > 0 && !within(allowed, pods) {
		return fmt.Sprintf("it is not within podRanges %v of Tailnet %s: give the cluster a pod network from there, or have the Tailnet's owner add it",
			allowed, tn.Name)
	}
	if vips, err := netip.ParsePrefix(tn.Spec.VIPRange); err == nil && vips.Overlaps(pods) {
		return fmt.Sprintf("it overlaps the vipRange %s of Tailnet %s: give the cluster another pod network", vips, tn.Name)
	}
	return ""
}

func within(ranges []netip.Prefix, pods netip.Prefix) bool {
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return contains(p, pods) })
}

// contains tells whether all of inner lies in outer.
func contains(outer, inner netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Overlaps(inner)
}

// networkLength is the length from which on a route leads to a network of somebody's. A shorter one
// is a way to all that has no other, such as an office's 10.0.0.0/8.
const networkLength = 16

// Conflict finds an approved route of another device that stands against a route to pods; route is
// pods or a node's part of them. Tailscale sends each address by the most specific route
// (tailscale.com/docs/reference/troubleshooting/network-configuration/overlapping-subnet-route-failover),
// so that the other device would lose what its route has in common with this one. Routes that are
// advertised and not approved draw nothing: they do not count. The reasons are in
// docs/decisions/0029-ranges-of-a-tailnet.md.
func Conflict(tn *infrav1.Tailnet, other tailnet.Device, route, pods netip.Prefix) (netip.Prefix, bool) {
	i := slices.IndexFunc(other.Routes.Enabled, func(enabled netip.Prefix) bool {
		switch {
		case !enabled.Overlaps(route) || enabled.Bits() == 0:
			return false
		case contains(pods, enabled):
			return true
		case enabled.Bits() < networkLength:
			return false
		}
		// The Tailnet's owner gave a part of the other's network to pods.
		return !slices.ContainsFunc(cloud.Networks(tn.Spec.PodRanges), func(p netip.Prefix) bool {
			return contains(enabled, p) && contains(p, pods)
		})
	})
	if i < 0 {
		return netip.Prefix{}, false
	}
	return other.Routes.Enabled[i], true
}

// Concerns tells whether a route of the device, an exit node's apart, has to do with this one.
func Concerns(device tailnet.Device, route netip.Prefix) bool {
	return slices.ContainsFunc(device.Routes.Enabled, func(p netip.Prefix) bool { return p.Bits() > 0 && p.Overlaps(route) })
}

// Holder is whose a device is, as far as this management cluster can tell. The zero value is of a
// device that is no node.
type Holder struct {
	// object has recorded the device; nil if none has.
	object Object
	// tagged says that the device has all tags of the Tailnet's nodes, or of its control planes: a
	// single one may be a router's, too.
	tagged bool
}

// HolderOf looks for the object that has recorded the device.
func (s Statuses) HolderOf(ctx context.Context, tn *infrav1.Tailnet, device tailnet.Device) (Holder, error) {
	missing := func(tag string) bool { return !slices.Contains(device.Tags, tag) }
	holder := Holder{tagged: !slices.ContainsFunc(tn.Spec.NodeTags, missing) || !slices.ContainsFunc(tn.Spec.ControlPlaneTags, missing)}
	recorded, err := s.with(ctx, ByDevice, device.ID)
	if err != nil {
		return Holder{}, err
	}
	for _, object := range recorded {
		status := object.GetTailnetDevice()
		here, err := s.sameServer(ctx, tn.Name, status.Name)
		if err != nil {
			return Holder{}, err
		}
		if here && RecordedIn(status).Is(device.ID, device.Created) {
			holder.object = object
		}
	}
	return holder, nil
}

// MayBeOf tells whether the device may yet turn out to be a node of a cluster some of whose
// machines have not found their devices.
func (h Holder) MayBeOf() bool { return h.object == nil && h.tagged }

// IsControlPlane tells whether a control plane has recorded the device.
func (h Holder) IsControlPlane() bool {
	if h.object == nil {
		return false
	}
	_, is := h.object.GetLabels()[clusterv1.MachineControlPlaneLabel]
	return is
}

// clusterName is the name of the node's Cluster.
func (h Holder) clusterName() string { return h.object.GetLabels()[clusterv1.ClusterNameLabel] }

// IsOf tells whether the device is a node of the cluster's.
func (h Holder) IsOf(cluster *clusterv1.Cluster) bool {
	return h.object != nil && h.object.GetNamespace() == cluster.Namespace && h.clusterName() == cluster.Name
}

// Describe says whose the device is, as an apposition, to readers of the cluster. Clusters of one
// Tailnet may know of each other, as its status names them; of another Tailnet's is told only that
// there is one.
func (h Holder) Describe(tn *infrav1.Tailnet, cluster *clusterv1.Cluster) string {
	switch {
	case h.IsOf(cluster):
		return ", a node of this cluster"
	case h.object == nil && h.tagged:
		return ", which has a tag of nodes and is of no machine that this manager knows"
	case h.object == nil:
		return ", which is no node"
	case h.object.GetNamespace() == cluster.Namespace || JoinedIn(h.object.GetTailnetDevice(), tn.Name):
		return fmt.Sprintf(", a node of cluster %s/%s", h.object.GetNamespace(), h.clusterName())
	}
	return ", a node of another cluster"
}

// Remedy says what the cluster's people can do.
func (h Holder) Remedy(cluster *clusterv1.Cluster) string {
	switch {
	case h.IsOf(cluster):
		return "wait until that node is gone"
	case h.object == nil && h.tagged:
		return "delete the device if it is left over; if it is a node of another management cluster or namespace, give the cluster another pod network"
	case h.object == nil:
		return "give the cluster a pod network that nothing else in the tailnet has, or take the approval from that route"
	}
	return "give one of the two clusters another pod network"
}
