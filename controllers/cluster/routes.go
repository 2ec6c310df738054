// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// devices are the tailnet's: as they are now for a cluster that may be about to take a range.
func (k comparer) devices(ctx context.Context, s *scope) (*tailnet.DeviceList, error) {
	c, err := k.clients.TailnetClient(ctx, s.tailnet)
	if err != nil {
		return nil, phases.Unseen(err)
	}
	age := s.Intervals.WithDefaults().Poll
	if !isProvisioned(s.infra) {
		age = s.Intervals.WithDefaults().Progress
	}
	list, err := c.RecentDevices(ctx, age)
	return list, phases.Unseen(err)
}

// knowsItsDevices tells whether all of the cluster's machines have recorded theirs, so that another
// device is none of its nodes.
func (s *scope) knowsItsDevices() bool {
	return !slices.ContainsFunc(s.machines, func(m infrav1.OCIMeshMachine) bool { return m.Status.Tailnet.DeviceID == "" })
}

// lostTo says what a cluster with machines loses to another device's route. Of two routes the
// narrower one wins. Fences keep a node's own pods to it, and nobody else's: docs/decisions/
// 0028-fences.md.
func lostTo(pods, taken netip.Prefix) string {
	if taken.Bits() <= pods.Bits() {
		return "what is sent to pods goes to that device, unless their node has a narrower route; take the approval from that route"
	}
	return fmt.Sprintf("other nodes reach no pods in %s, or only by chance; take the approval from that route, or delete the device if it is left over", taken)
}

// routedVIP tells of a device with a route to the API server's address that is none of the
// cluster's control planes: where the provider approves routes, these take it away.
func (k comparer) routedVIP(ctx context.Context, s *scope) (*access.Problem, error) {
	address, err := netip.ParseAddr(s.infra.Spec.ControlPlaneEndpoint.Host)
	if err != nil || !s.infra.Spec.EndpointType.HasVIP() {
		return nil, nil
	}
	list, err := k.devices(ctx, s)
	if err != nil {
		return nil, err
	}
	route := netip.PrefixFrom(address, address.BitLen())
	statuses := tailnetnode.Statuses{Client: k.reader, Others: k.otherDevices}
	for _, device := range list.WithRoute(route) {
		holder, err := statuses.HolderOf(ctx, s.tailnet, device)
		if err != nil {
			return nil, err
		}
		if holder.IsOf(s.cluster) && holder.IsControlPlane() || holder.MayBeOf() && !s.knowsItsDevices() {
			continue
		}
		return access.NewProblem(infrav1.EndpointInUseReason,
			"Route %s of the API server is approved for device %s%s: clients that are sent there do not reach the API server; "+
				"take the approval from that route, or delete the device if it is left over",
			route, device.Name, holder.Describe(s.tailnet, s.cluster)), nil
	}
	return nil, nil
}
