// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/devices"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

// approve approves exactly the routes that this provider has the machine advertise: a control
// plane's VIP, and the node's own part of the pod network.
func (r *Reconciler) approve(ctx context.Context, s *scope, c *tailnet.Client, list *tailnet.DeviceList) error {
	if s.tailnet.Spec.RouteApproval != infrav1.RouteApprovalProvider {
		return nil
	}
	if s.isControlPlane() && s.infraCluster.Spec.EndpointType == infrav1.EndpointTailnetVIP {
		if err := r.approveVIP(ctx, s, c, list); err != nil {
			return err
		}
	}
	if s.infraCluster.Spec.PodNetwork.Mode != infrav1.PodNetworkTailnetRoutes {
		return nil
	}
	approval, err := devices.ApprovePodRoute(ctx, c, devices.Node{
		Device: *s.device, Proof: s.deviceProof, Tailnet: s.tailnet, Cluster: s.cluster, Network: s.infraCluster.Spec.PodNetwork,
	})
	if approval.Pending {
		s.Requeue(s.Intervals.Progress)
	}
	if approval.Finding != nil {
		s.Note(infrav1.TailnetReadyCondition, approval.Finding.Reason, "%s", approval.Finding.Message)
	}
	return err
}

// approveVIP approves the VIP of the cluster for the machine, and takes it from every device that
// is no control plane of the cluster: who has the route is the API server for all nodes.
func (r *Reconciler) approveVIP(ctx context.Context, s *scope, c *tailnet.Client, list *tailnet.DeviceList) error {
	address := s.infraCluster.Spec.ControlPlaneEndpoint.Host
	vip, held := identity.OfCluster(s.infraCluster).HeldVIP(address, s.tailnet.Status.VIPAllocations)
	if !held {
		s.Requeue(s.Intervals.Progress)
		s.Note(infrav1.TailnetReadyCondition, infrav1.VIPNotHeldReason,
			"Tailnet %s does not say that OCIMeshCluster %s holds %s, so that the address's route is not approved: see the cluster's condition %s",
			s.tailnet.Name, s.infraCluster.Name, address, infrav1.EndpointReadyCondition)
		return nil
	}
	if s.before.Status.Tailnet.DeviceID != s.device.ID {
		// Other control planes take the VIP from devices that no status has recorded.
		s.Requeue(time.Second)
		return nil
	}
	if !slices.Contains(s.device.Routes.Enabled, vip.Route()) {
		if err := c.ApproveRoutes(ctx, s.deviceProof, vip.Route()); err != nil {
			return err
		}
	}
	return r.withdrawVIP(ctx, s, c, vip, list.WithRoute(vip.Route()))
}

// withdrawVIP takes the VIP from devices that have it and are no control plane of the cluster. All
// else that they have stays.
func (r *Reconciler) withdrawVIP(ctx context.Context, s *scope, c *tailnet.Client, vip ownership.VIP, holders []tailnet.Device) error {
	if !slices.ContainsFunc(holders, func(d tailnet.Device) bool { return d.ID != s.device.ID }) {
		return nil
	}
	controlPlanes := &infrav1.OCIMeshMachineList{}
	// Not from the cache: it may not show yet what another control plane has recorded.
	err := r.APIReader.List(ctx, controlPlanes, client.InNamespace(s.own.Namespace),
		client.MatchingLabels{clusterv1.ClusterNameLabel: s.cluster.Name}, client.HasLabels{clusterv1.MachineControlPlaneLabel})
	if err != nil {
		return fmt.Errorf("listing the cluster's control planes: %w", err)
	}
	for _, holder := range holders {
		if slices.ContainsFunc(controlPlanes.Items, func(m infrav1.OCIMeshMachine) bool { return s.mayHoldVIP(&m, holder) }) {
			continue
		}
		proof, proven := vip.Usurped(holder.ID, holder.Routes.Enabled)
		if !proven {
			continue
		}
		if err := c.DisableRoute(ctx, proof, vip.Route()); err != nil {
			return err
		}
		ctrl.LoggerFrom(ctx).Info("Took the cluster's VIP from a device that is none of its control planes", "device", holder.ID, "route", vip.Route())
		if r.Recorder != nil {
			r.Recorder.Eventf(s.own, nil, corev1.EventTypeWarning, "VIPWithdrawn", "Withdraw",
				"Took the approval of route %s from device %s, which is no control plane of the cluster: find out who approved it", vip.Route(), holder.Name)
		}
	}
	return nil
}

// mayHoldVIP tells whether the device is the control plane's or, while that has none recorded, can
// be: after a move or a restore it has the route already.
func (s *scope) mayHoldVIP(machine *infrav1.OCIMeshMachine, device tailnet.Device) bool {
	status := machine.Status.Tailnet
	if status.DeviceID != "" {
		return status.DeviceID == device.ID && joinedIn(status, s.tailnet.Name)
	}
	missing := func(tag string) bool { return !slices.Contains(device.Tags, tag) }
	return device.Hostname == hostnameOf(machine.Name, identity.Of(machine)) && !slices.ContainsFunc(s.tailnet.Spec.ControlPlaneTags, missing)
}
