// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"slices"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// approve approves exactly the routes that this provider has the machine advertise: a control
// plane's VIP, and the node's own part of the pod network.
func (r *Reconciler) approve(ctx context.Context, s *scope, c *tailnet.Client) error {
	if s.tailnet.Spec.RouteApproval != infrav1.RouteApprovalProvider {
		return nil
	}
	if s.isControlPlane() && s.infraCluster.Spec.EndpointType.HasVIP() {
		if err := r.approveVIP(ctx, s, c); err != nil {
			return err
		}
	}
	return tailnetnode.ApprovePodRoute(ctx, &s.Pass, c, s.observed, s.tailnet, s.cluster, s.infraCluster)
}

// approveVIP approves the VIP of the cluster for the machine, and takes it from every device that
// is no control plane of the cluster: who has the route is the API server for all nodes.
func (r *Reconciler) approveVIP(ctx context.Context, s *scope, c *tailnet.Client) error {
	address := s.infraCluster.Spec.ControlPlaneEndpoint.Host
	vip, held := identity.OfCluster(s.infraCluster).HeldVIP(address, s.tailnet.Status.VIPAllocations)
	if !held {
		s.Requeue(s.Intervals.Progress)
		s.Note(infrav1.TailnetReadyCondition, infrav1.VIPNotHeldReason,
			"Tailnet %s does not say that OCIMeshCluster %s holds %s, so that the address's route is not approved: see the cluster's condition %s",
			s.tailnet.Name, s.infraCluster.Name, address, infrav1.EndpointReadyCondition)
		return nil
	}
	if s.before.Status.Tailnet.DeviceID != s.observed.Device.ID {
		// Other control planes take the VIP from devices that no status has recorded.
		s.Requeue(time.Second)
		return nil
	}
	if !slices.Contains(s.observed.Device.Routes.Enabled, vip.Route()) {
		if err := c.ApproveRoutes(ctx, s.observed.Proof, vip.Route()); err != nil {
			return err
		}
	}
	return r.withdrawVIP(ctx, s, c, vip, s.observed.List.WithRoute(vip.Route()))
}
