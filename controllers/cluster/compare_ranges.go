// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// comparer compares a cluster's ranges with what else there is in its tailnet.
type comparer struct {
	// client reads from the manager's cache, reader without it.
	client  client.Reader
	reader  client.Reader
	clients *access.Clients
	// otherDevices are as the reconciler's.
	otherDevices []client.ObjectList
}

func (r *Reconciler) comparer() comparer {
	return comparer{client: r.Client, reader: r.Reader, clients: r.Clients, otherDevices: r.OtherDevices}
}

// compareRanges compares the cluster's ranges with each other and with the tailnet's. What would
// take traffic from something, here or elsewhere, ends the pass before there is an address and a
// machine; a cluster with machines goes on and is told about it. The reasons are in
// docs/decisions/0029-ranges-of-a-tailnet.md.
func (k comparer) compareRanges(ctx context.Context, s *scope) error {
	if s.tailnet == nil {
		return nil
	}
	own := rangesOf(s)
	problem, err := k.refusal(ctx, s, own)
	if err != nil {
		return err
	}
	alive := isAlive(s.infra, machinesOf(s.infra, s.cluster, s.machines))
	if problem != nil && !alive {
		if problem.RetryAfter == 0 {
			// No watch sees what others do.
			problem.RetryAfter = s.Intervals.WithDefaults().Retry
		}
		return problem
	}
	recordRanges(s)
	if problem == nil {
		problem = changed(s, own)
	}
	if problem == nil && isProvisioned(s.infra) {
		// Of the others, the refusal has asked.
		if problem, err = unlessUnseen(k.metByDevices(ctx, s, own)); err != nil {
			return err
		}
	}
	if problem == nil && alive {
		if problem, err = unlessUnseen(k.routedVIP(ctx, s)); err != nil {
			return err
		}
	}
	if problem == nil {
		if problem, err = unlessUnseen(k.routedServices(ctx, s, own)); err != nil {
			return err
		}
	}
	if problem != nil {
		s.Note(infrav1.RangesDistinctCondition, problem.Reason, "%s", problem.Message)
	}
	return nil
}

// refusal is the first reason not to make the cluster; nil if there is none.
func (k comparer) refusal(ctx context.Context, s *scope, own ranges) (*access.Problem, error) {
	if problem := overlapping(own); problem != nil {
		return problem, nil
	}
	tailnets, err := k.oneTailnet(ctx, s.tailnet)
	if err != nil {
		return nil, err
	}
	if problem := notAllowed(s.infra, s.tailnet, own, tailnets); problem != nil {
		return problem, nil
	}
	if problem := amongVIPs(s.infra, s.tailnet, own, tailnets); problem != nil {
		return problem, nil
	}
	problem, err := k.metByClusters(ctx, k.client, s, own, tailnets)
	if err != nil || problem != nil || isProvisioned(s.infra) {
		return problem, err
	}
	if wait := untilOthersShow(s.infra, time.Now()); wait > 0 && routesPods(s.infra) {
		problem := access.NewProblem(infrav1.WaitingReason, "Waiting for clusters that are made at the same time to be seen")
		problem.RetryAfter = wait
		return problem, nil
	}
	// The cache may not show yet who came before.
	if problem, err = k.metByClusters(ctx, k.reader, s, own, tailnets); err != nil || problem != nil {
		return problem, err
	}
	return k.metByDevices(ctx, s, own)
}

// unlessUnseen leaves out what a tailnet that does not answer keeps from being seen: of a cluster
// with machines, and of services, nothing depends on it, and TailnetReady tells of the tailnet.
func unlessUnseen(problem *access.Problem, err error) (*access.Problem, error) {
	if err != nil && access.AsProblem(err).Reason != infrav1.InternalErrorReason {
		return nil, nil
	}
	return problem, err
}

// overlapping tells of two of the cluster's own ranges.
func overlapping(own ranges) *access.Problem {
	for _, pair := range [][2][]namedRange{{own.pods, own.services}, {own.pods, own.networks}, {own.services, own.networks}} {
		if a, b, found := meeting(pair[0], pair[1]); found {
			return access.NewProblem(infrav1.RangesOverlapReason,
				"%s overlaps %s: nodes could not tell where to send; recreate the cluster with ranges that do not overlap, or change the Cluster's "+
					"clusterNetwork while it has no machines", sentence(a.String()), b)
		}
	}
	return nil
}

// notAllowed tells of a pod range that the tailnet is not to have routes to.
func notAllowed(infra *infrav1.OCIMeshCluster, tn *infrav1.Tailnet, own ranges, tailnets []infrav1.Tailnet) *access.Problem {
	if !routesPods(infra) {
		return nil
	}
	for _, pods := range own.pods {
		if !pods.prefix.Addr().Is4() {
			// Tailnets carry routes of IPv4 pods only.
			continue
		}
		if why := tailnetnode.NotForPods(tn, pods.prefix); why != "" {
			return access.NewProblem(infrav1.PodRangeNotAllowedReason,
				"With podNetwork.mode TailnetRoutes all of the tailnet would send to %s, and %s", pods, why)
		}
		for _, other := range tailnets {
			if vips, err := netip.ParsePrefix(other.Spec.VIPRange); err == nil && vips.Overlaps(pods.prefix) {
				return access.NewProblem(infrav1.PodRangeNotAllowedReason,
					"%s has addresses of other clusters' API servers in this tailnet: give the cluster another pod network", sentence(pods.String()))
			}
		}
	}
	return nil
}

// amongVIPs tells of a range of the cluster that has addresses of a VIP range. Were it let in, no
// later cluster could get an address. Of the cluster's own endpoint EndpointReady tells.
func amongVIPs(infra *infrav1.OCIMeshCluster, tn *infrav1.Tailnet, own ranges, tailnets []infrav1.Tailnet) *access.Problem {
	for _, other := range tailnets {
		vips, err := netip.ParsePrefix(other.Spec.VIPRange)
		if err != nil || other.Name == tn.Name && infra.Spec.EndpointType.HasVIP() {
			continue
		}
		_, taken, found := meeting([]namedRange{{prefix: vips}}, own.all())
		if !found {
			continue
		}
		remedy := "give the cluster another range"
		if isProvisioned(infra) {
			remedy = "none is given out; use another Tailnet object with another vipRange for them"
		}
		return access.NewProblem(infrav1.VIPRangeOverlapReason,
			"%s has addresses for other clusters' API servers in this tailnet: %s", sentence(taken.String()), remedy)
	}
	return nil
}

// changed tells of pods and services that are not what nodes hold.
func changed(s *scope, own ranges) *access.Problem {
	network := s.cluster.Spec.ClusterNetwork
	for _, pair := range []struct {
		held []namedRange
		now  []string
	}{{own.pods, network.Pods.CIDRBlocks}, {own.services, network.Services.CIDRBlocks}} {
		var held []netip.Prefix
		for _, r := range pair.held {
			held = append(held, r.prefix)
		}
		if now := cloud.Networks(pair.now); len(held) > 0 && !slices.Equal(held, now) {
			return access.NewProblem(infrav1.RangesChangedReason,
				"%s was %v when the first machine was made and is %v in the Cluster now: nodes and Cilium hold the first; change clusterNetwork back",
				sentence(pair.held[0].name), held, now)
		}
	}
	return nil
}

// metByDevices tells of a pod range that the tailnet leads to a device for. Nodes unknown to all
// objects are left out for a cluster with machines without a device: after a move they are its own,
// until their devices are found again.
func (k comparer) metByDevices(ctx context.Context, s *scope, own ranges) (*access.Problem, error) {
	if !routesPods(s.infra) {
		return nil, nil
	}
	return k.met(ctx, s, own.pods, func(device tailnet.Device, holder tailnetnode.Holder, pods, taken netip.Prefix) *access.Problem {
		if holder.MayBeOf() && !s.knowsItsDevices() {
			return nil
		}
		remedy := holder.Remedy(s.cluster)
		if isProvisioned(s.infra) {
			remedy = lostTo(pods, taken)
		}
		return access.NewProblem(infrav1.PodRangeInUseReason, "The pod range %s and route %s, approved for device %s%s, have addresses in common: %s",
			pods, taken, device.Name, holder.Describe(s.tailnet, s.cluster), remedy)
	})
}

// routedServices tells of a service range that the tailnet leads to a device for. Cilium takes what
// pods and hosts send to services before it gets there, so that it keeps nothing from working.
func (k comparer) routedServices(ctx context.Context, s *scope, own ranges) (*access.Problem, error) {
	if _, noTailnet := s.Noted(infrav1.TailnetReadyCondition); noTailnet {
		return nil, nil
	}
	return k.met(ctx, s, own.services, func(device tailnet.Device, holder tailnetnode.Holder, services, taken netip.Prefix) *access.Problem {
		return access.NewProblem(infrav1.ServiceRangeRoutedReason,
			"The service range %s and route %s, approved for device %s%s, have addresses in common: what hosts send to services without Cilium "+
				"goes to that device; take the approval from the route, or recreate the cluster with another service range",
			services, taken, device.Name, holder.Describe(s.tailnet, s.cluster))
	})
}

// met is what tell makes of the first device with an approved route that stands against a range.
func (k comparer) met(ctx context.Context, s *scope, own []namedRange,
	tell func(device tailnet.Device, holder tailnetnode.Holder, own, taken netip.Prefix) *access.Problem,
) (*access.Problem, error) {
	list, err := k.devices(ctx, s)
	if err != nil {
		return nil, err
	}
	// The cache may be of one namespace, and whose a device is decides on what people are told to
	// do with it.
	statuses := tailnetnode.Statuses{Client: k.reader, Others: k.otherDevices}
	for _, device := range list.All {
		for _, each := range own {
			if !tailnetnode.Concerns(device, each.prefix) {
				continue
			}
			holder, err := statuses.HolderOf(ctx, s.tailnet, device)
			if err != nil {
				return nil, err
			}
			taken, conflict := tailnetnode.Conflict(s.tailnet, device, each.prefix, each.prefix)
			if !conflict || holder.IsOf(s.cluster) {
				continue
			}
			if problem := tell(device, holder, each.prefix, taken); problem != nil {
				return problem, nil
			}
		}
	}
	return nil, nil
}

// listed are all objects of the list.
func listed[T client.ObjectList](ctx context.Context, reader client.Reader, list T, what string) (T, error) {
	if err := reader.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return list, fmt.Errorf("listing %s: %w", what, err)
	}
	return list, nil
}
