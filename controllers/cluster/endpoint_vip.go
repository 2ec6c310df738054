// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"net/netip"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
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
	if err := overlap(s); err != nil {
		return err
	}
	endpoint := &s.infra.Spec.ControlPlaneEndpoint
	if endpoint.Host == "" {
		address, err := e.r.vipAllocator().Allocate(ctx, s.tailnet.Name, s.infra)
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
	for _, held := range s.tailnet.Status.VIPAllocations {
		if held.Address == endpoint.Host && !vip.Holds(held, s.infra) {
			return access.NewProblem(infrav1.EndpointInUseReason,
				"Address %s belongs to OCIMeshCluster %s/%s: leave spec.controlPlaneEndpoint out to get a free one",
				held.Address, held.Namespace, held.Name)
		}
	}
	return nil
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
func overlap(s *scope) error {
	vips, err := netip.ParsePrefix(s.tailnet.Spec.VIPRange)
	if err != nil {
		// Missing: the allocation says so.
		return nil
	}
	for _, other := range rangesOf(s) {
		prefix, err := netip.ParsePrefix(other.cidr)
		if err != nil || !prefix.Overlaps(vips) {
			continue
		}
		return access.NewProblem(infrav1.VIPRangeOverlapReason,
			"The vipRange %s of Tailnet %s overlaps %s %s: change one of them, or use a Tailnet object with another range",
			vips, s.tailnet.Name, other.name, other.cidr)
	}
	return nil
}

type namedRange struct{ name, cidr string }

func rangesOf(s *scope) []namedRange {
	var ranges []namedRange
	for _, cidr := range s.cluster.Spec.ClusterNetwork.Pods.CIDRBlocks {
		ranges = append(ranges, namedRange{"the pod range", cidr})
	}
	for _, cidr := range s.cluster.Spec.ClusterNetwork.Services.CIDRBlocks {
		ranges = append(ranges, namedRange{"the service range", cidr})
	}
	for _, account := range s.infra.Spec.Accounts {
		if account.Network.Managed != nil {
			ranges = append(ranges, namedRange{fmt.Sprintf("the VCN range of account %s,", account.Name), account.Network.Managed.VCNCIDR})
		}
	}
	return ranges
}
