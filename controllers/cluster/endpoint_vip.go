// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/vip"
)

// vipEndpoint is an address of the tailnet's VIP range.
type vipEndpoint struct{ r *Reconciler }

// Ensure takes an address of the range, once. The address is the cluster's as soon as it is in the
// Tailnet's status; a crash before it is in the spec does no harm.
func (e vipEndpoint) Ensure(ctx context.Context, s *scope) error {
	if s.tailnet == nil {
		return waiting(s, "Waiting for the tailnet, which provides the address")
	}
	if err := overlap(s.tailnet, rangesOf(s)); err != nil {
		return err
	}
	endpoint := &s.infra.Spec.ControlPlaneEndpoint
	ledger := e.r.vipAllocator()
	// Users make machines and write specs: only status tells that the address is the cluster's.
	isNew := endpoint.Host == "" || !isAlive(s.infra, machinesOf(s.infra, s.cluster, s.machines))
	var routed routedAddresses
	if isNew {
		if err := e.occupied(ctx, s); err != nil {
			return err
		}
		var err error
		if routed, err = e.routedAddresses(ctx, s); err != nil {
			return phases.Unseen(err)
		}
		ledger.Routed = func(address netip.Addr) bool { return len(routed.devices(address)) > 0 }
	}
	if endpoint.Host == "" {
		address, err := ledger.Allocate(ctx, s.tailnet.Name, s.infra)
		if err != nil {
			return err
		}
		endpoint.Host = address
	}
	endpoint.Port = endpointPort(s)
	vips, err := netip.ParsePrefix(s.tailnet.Spec.VIPRange)
	if address, notIP := netip.ParseAddr(endpoint.Host); err == nil && (notIP != nil || !vips.Contains(address)) {
		return access.NewProblem(infrav1.EndpointOutOfRangeReason,
			"Address %s is not in the vipRange %s of Tailnet %s: recreate the cluster without spec.controlPlaneEndpoint.host, or with endpointType External",
			endpoint.Host, vips, s.tailnet.Name)
	}
	if isNew {
		if err := e.taken(ctx, s, routed); err != nil {
			return err
		}
	}
	return e.held(ctx, s, ledger)
}

// occupied says which other cluster with machines has addresses of the VIP range; nil if none has.
// The range may have been set after that cluster was made.
func (e vipEndpoint) occupied(ctx context.Context, s *scope) error {
	tailnets, err := e.r.comparer().oneTailnet(ctx, s.tailnet)
	if err != nil {
		return err
	}
	all, err := listed(ctx, e.r.Reader, &infrav1.OCIMeshClusterList{}, "OCIMeshClusters")
	if err != nil {
		return err
	}
	for i := range all.Items {
		other := &all.Items[i]
		named := slices.ContainsFunc(tailnets, func(tn infrav1.Tailnet) bool { return tn.Name == other.Spec.TailnetRef.Name })
		if taken := vip.Occupied(s.tailnet.Spec.VIPRange, other); named && taken != "" && other.UID != s.infra.UID {
			problem := access.NewProblem(infrav1.VIPRangeOverlapReason,
				"The vipRange %s of Tailnet %s overlaps %s of %s, which has machines: "+
					"use a Tailnet object with another vipRange, endpointType External or a load balancer",
				s.tailnet.Spec.VIPRange, s.tailnet.Name, taken, called(s.infra, other))
			// No watch sees the other cluster go.
			problem.RetryAfter = s.Intervals.WithDefaults().Retry
			return problem
		}
	}
	return nil
}

// taken says why a cluster that nothing proves to live may not have the address of its spec; nil if
// it may.
func (e vipEndpoint) taken(ctx context.Context, s *scope, routed routedAddresses) error {
	host := s.infra.Spec.ControlPlaneEndpoint.Host
	if address, err := netip.ParseAddr(host); err == nil {
		if err := e.ledElsewhere(ctx, s, routed.devices(address)); err != nil {
			return err
		}
	}
	tailnets, err := e.r.comparer().oneTailnet(ctx, s.tailnet)
	if err != nil {
		return err
	}
	contenders := vip.Contenders(s.tailnet, tailnets)
	if problem := vip.Contested(s.tailnet, contenders); problem != nil {
		return problem
	}
	if vip.HeldIn(contenders, host) {
		return access.NewProblem(infrav1.EndpointInUseReason,
			"Address %s belongs to a cluster of another Tailnet object of the same network: leave spec.controlPlaneEndpoint out to get a free one", host)
	}
	return nil
}

// ledElsewhere says that the tailnet leads to one of the devices for the cluster's address; nil if
// there are none. After a move or a restore they may be the cluster's own control planes, until one
// of these has found its device again.
func (e vipEndpoint) ledElsewhere(ctx context.Context, s *scope, devices []tailnet.Device) error {
	var inUse error
	statuses := tailnetnode.Statuses{Client: e.r.Reader, Others: e.r.OtherDevices}
	for _, device := range devices {
		holder, err := statuses.HolderOf(ctx, s.tailnet, device)
		if err != nil {
			return err
		}
		host, remedy := s.infra.Spec.ControlPlaneEndpoint.Host,
			"recreate the cluster without spec.controlPlaneEndpoint to get a free one, or delete the device if it is left over"
		if holder.IsOf(s.cluster) || holder.MayBeOf() && !s.knowsItsDevices() {
			problem := access.NewProblem(infrav1.WaitingReason,
				"Waiting for the cluster's machines to find their devices: the tailnet leads to device %s for address %s, which may be one of them; "+
					"if this lasts, %s", device.Name, host, remedy)
			problem.RetryAfter = s.Intervals.WithDefaults().Retry
			return problem
		}
		inUse = access.NewProblem(infrav1.EndpointInUseReason,
			"The tailnet leads to device %s for address %s already%s: %s", device.Name, host, holder.Describe(s.tailnet, s.cluster), remedy)
	}
	return inUse
}

// held sees to it that the Tailnet's list has the address as the cluster's: machines have its route
// approved only then. A move and a restore lose the list; it comes back from the specs, unless
// several show the address.
func (e vipEndpoint) held(ctx context.Context, s *scope, ledger vip.Ledger) error {
	host := s.infra.Spec.ControlPlaneEndpoint.Host
	own := func(held infrav1.VIPAllocation) bool { return held.Address == host && vip.Holds(held, s.infra) }
	if slices.ContainsFunc(s.tailnet.Status.VIPAllocations, own) {
		return nil
	}
	// The copy may be older than the list.
	if _, err := ledger.Audit(ctx, s.tailnet.Name); err != nil {
		return err
	}
	now := &infrav1.Tailnet{}
	if err := e.r.Reader.Get(ctx, client.ObjectKey{Name: s.tailnet.Name}, now); err != nil {
		return fmt.Errorf("reading Tailnet %s: %w", s.tailnet.Name, err)
	}
	for _, held := range now.Status.VIPAllocations {
		switch {
		case own(held):
			return nil
		case held.Address == host:
			return access.NewProblem(infrav1.EndpointInUseReason,
				"Address %s belongs to OCIMeshCluster %s/%s: leave spec.controlPlaneEndpoint out to get a free one",
				held.Address, held.Namespace, held.Name)
		}
	}
	problem := access.NewProblem(infrav1.WaitingReason,
		"Waiting for Tailnet %s to list address %s as the cluster's: if this lasts, another cluster has it in its spec.controlPlaneEndpoint as well, "+
			"and nothing tells whose it is; delete the wrong one", now.Name, host)
	problem.RetryAfter = s.Intervals.WithDefaults().Retry
	return problem
}

// Remove does nothing: the address is needed until the machines and their networks are gone.
func (vipEndpoint) Remove(context.Context, *scope) error { return nil }

// Release gives the address back to the range.
func (e vipEndpoint) Release(ctx context.Context, s *scope) error {
	return e.r.vipAllocator().Release(ctx, s.infra.Spec.TailnetRef.Name, s.infra)
}

func (r *Reconciler) vipAllocator() vip.Ledger {
	return vip.Ledger{Client: r.Client, Reader: r.Reader, Allowed: r.Clients.MayUseTailnet}
}

// overlap refuses a VIP range in which the nodes reach something else: pods, services, or their own
// VCN.
func overlap(tn *infrav1.Tailnet, own ranges) error {
	vips, err := netip.ParsePrefix(tn.Spec.VIPRange)
	if err != nil {
		// Missing: the allocation says so.
		return nil
	}
	_, other, found := meeting([]namedRange{{prefix: vips}}, own.all())
	if !found {
		return nil
	}
	return access.NewProblem(infrav1.VIPRangeOverlapReason,
		"The vipRange %s of Tailnet %s overlaps %s: change one of them, or use a Tailnet object with another range",
		vips, tn.Name, other)
}

// routedAddresses are the devices with routes to a part of a VIP range.
type routedAddresses struct {
	vips netip.Prefix
	all  []tailnet.Device
}

// devices are those that the tailnet leads to for the address. A route of the whole range or more
// is a way to everything, and says nothing of one address.
func (r routedAddresses) devices(address netip.Addr) []tailnet.Device {
	return slices.DeleteFunc(slices.Clone(r.all), func(device tailnet.Device) bool {
		return !slices.ContainsFunc(device.Routes.Enabled, func(route netip.Prefix) bool {
			return route.Bits() > r.vips.Bits() && route.Contains(address)
		})
	})
}

func (e vipEndpoint) routedAddresses(ctx context.Context, s *scope) (routedAddresses, error) {
	c, err := e.r.Clients.TailnetClient(ctx, s.tailnet)
	if err != nil {
		return routedAddresses{}, err
	}
	list, err := c.RecentDevices(ctx, s.Intervals.WithDefaults().Progress)
	if err != nil {
		return routedAddresses{}, err
	}
	vips, _ := netip.ParsePrefix(s.tailnet.Spec.VIPRange)
	concerns := func(route netip.Prefix) bool { return route.Bits() > vips.Bits() && route.Overlaps(vips) }
	return routedAddresses{vips: vips, all: slices.DeleteFunc(slices.Clone(list.All), func(device tailnet.Device) bool {
		return !slices.ContainsFunc(device.Routes.Enabled, concerns)
	})}, nil
}
