// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"net/netip"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/vip"
)

const defaultPort = 6443

// ensureEndpoint sees to the address of the API server, and writes it before anything is said about
// it.
func (r *Reconciler) ensureEndpoint(ctx context.Context, s *scope) error {
	before := s.infra.DeepCopy()
	var err error
	switch s.infra.Spec.EndpointType {
	case infrav1.EndpointExternal:
		err = external(s)
	case infrav1.EndpointNetworkLoadBalancer, infrav1.EndpointLoadBalancer:
		err = r.loadBalancer(ctx, s)
	default:
		err = r.tailnetVIP(ctx, s)
	}
	if before.Spec.ControlPlaneEndpoint != s.infra.Spec.ControlPlaneEndpoint {
		if err := r.Client.Patch(ctx, s.infra.DeepCopy(), client.MergeFrom(before)); err != nil {
			return fmt.Errorf("writing the control plane endpoint: %w", err)
		}
	}
	if err == nil {
		return nil
	}
	if s.endpointProblem = access.AsProblem(err); s.endpointProblem.Reason == infrav1.InternalErrorReason {
		return err
	}
	return nil
}

// external takes the address that the user gives, in this object or in the Cluster.
func external(s *scope) error {
	endpoint := &s.infra.Spec.ControlPlaneEndpoint
	if endpoint.Host == "" {
		endpoint.Host, endpoint.Port = s.cluster.Spec.ControlPlaneEndpoint.Host, s.cluster.Spec.ControlPlaneEndpoint.Port
	}
	if endpoint.Host == "" {
		return access.NewProblem(infrav1.EndpointMissingReason,
			"endpointType is External and no address is given: set spec.controlPlaneEndpoint.host")
	}
	endpoint.Port = endpointPort(s)
	return nil
}

// tailnetVIP takes an address of the tailnet's range, once. The address is the cluster's as soon as
// it is in the Tailnet's status; a crash before it is in the spec does no harm.
func (r *Reconciler) tailnetVIP(ctx context.Context, s *scope) error {
	if s.tailnet == nil {
		return access.NewProblem(infrav1.WaitingReason, "waits for the tailnet, which gives the address")
	}
	if err := overlap(s); err != nil {
		return err
	}
	endpoint := &s.infra.Spec.ControlPlaneEndpoint
	if endpoint.Host == "" {
		address, err := r.ledger().Allocate(ctx, s.tailnet.Name, s.infra)
		if err != nil {
			return err
		}
		endpoint.Host = address
	}
	endpoint.Port = endpointPort(s)
	vips, err := netip.ParsePrefix(s.tailnet.Spec.VIPRange)
	if address, notIP := netip.ParseAddr(endpoint.Host); err == nil && (notIP != nil || !vips.Contains(address)) {
		return access.NewProblem(infrav1.EndpointOutOfRangeReason,
			"spec.controlPlaneEndpoint.host %s is not in the vipRange %s of Tailnet %s: make the cluster anew without it, or with endpointType External",
			endpoint.Host, vips, s.tailnet.Name)
	}
	for _, held := range s.tailnet.Status.VIPAllocations {
		if held.Address == endpoint.Host && !vip.Holds(held, s.infra) {
			return access.NewProblem(infrav1.EndpointInUseReason,
				"%s is the address of OCIMeshCluster %s/%s: leave spec.controlPlaneEndpoint out, so that a free one is taken",
				held.Address, held.Namespace, held.Name)
		}
	}
	return nil
}

// endpointPort is the endpoint's port, also before it is written down.
func endpointPort(s *scope) int32 {
	if port := s.infra.Spec.ControlPlaneEndpoint.Port; port != 0 {
		return port
	}
	if port := s.cluster.Spec.ClusterNetwork.APIServerPort; port != 0 {
		return port
	}
	return defaultPort
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
			"the vipRange %s of Tailnet %s overlaps %s %s: change one of them, or use a Tailnet object with another range",
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
