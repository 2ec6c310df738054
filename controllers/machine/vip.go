// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// vipRoute is the route of a cluster's VIP in its tailnet.
type vipRoute struct {
	tailnet  *infrav1.Tailnet
	client   *tailnet.Client
	reader   client.Reader
	recorder events.EventRecorder
}

// approve approves the route for the machine, and takes it from every device but the control planes
// of the cluster: its holder is the API server for all nodes.
func (v vipRoute) approve(ctx context.Context, s *scope) error {
	address := s.infraCluster.Spec.ControlPlaneEndpoint.Host
	vip, held := identity.OfCluster(s.infraCluster).HeldVIP(address, v.tailnet.Status.VIPAllocations)
	if !held {
		s.Requeue(s.Intervals.Progress)
		s.Note(infrav1.TailnetReadyCondition, infrav1.VIPNotHeldReason,
			"Tailnet %s does not say that OCIMeshCluster %s holds %s, so that the address's route is not approved: see the cluster's condition %s",
			v.tailnet.Name, s.infraCluster.Name, address, infrav1.EndpointReadyCondition)
		return nil
	}
	device := s.observed.Device
	if s.before.Status.Tailnet.DeviceID != device.ID {
		// Other control planes take the VIP from devices without a record in a status.
		s.Requeue(time.Second)
		return nil
	}
	if !slices.Contains(device.Routes.Enabled, vip.Route()) {
		if err := v.client.ApproveRoutes(ctx, s.observed.Proof, vip.Route()); err != nil {
			return err
		}
	}
	return v.withdraw(ctx, vip, s.own, s.cluster.Name, device.ID, s.observed.List.WithRoute(vip.Route()))
}

// withdraw takes the route from all holders but the control planes of own's cluster; device is
// own's. Their other routes stay.
func (v vipRoute) withdraw(
	ctx context.Context, vip ownership.VIP, own *infrav1.OCIMeshMachine, cluster, device string, holders []tailnet.Device,
) error {
	if !slices.ContainsFunc(holders, func(d tailnet.Device) bool { return d.ID != device }) {
		return nil
	}
	controlPlanes := &infrav1.OCIMeshMachineList{}
	// Not from the cache: it may not show yet what another control plane has recorded.
	err := v.reader.List(ctx, controlPlanes, client.InNamespace(own.Namespace),
		client.MatchingLabels{clusterv1.ClusterNameLabel: cluster}, client.HasLabels{clusterv1.MachineControlPlaneLabel})
	if err != nil {
		return fmt.Errorf("listing the cluster's control planes: %w", err)
	}
	for _, holder := range holders {
		if slices.ContainsFunc(controlPlanes.Items, func(m infrav1.OCIMeshMachine) bool { return v.mayHold(&m, holder) }) {
			continue
		}
		proof, proven := vip.Usurped(holder.ID, holder.Routes.Enabled)
		if !proven {
			continue
		}
		if err := v.client.DisableRoute(ctx, proof, vip.Route()); err != nil {
			return err
		}
		ctrl.LoggerFrom(ctx).Info("Took the cluster's VIP from a device that is not one of its control planes", "device", holder.ID, "route", vip.Route())
		if v.recorder != nil {
			v.recorder.Eventf(own, nil, corev1.EventTypeWarning, "VIPWithdrawn", "Withdraw",
				"Took the approval of route %s from device %s, which is not a control plane of the cluster: find out who approved it", vip.Route(), holder.Name)
		}
	}
	return nil
}

// mayHold tells whether the device is the control plane's or, without a recorded one, can be: after
// a move or a restore it has the route already.
func (v vipRoute) mayHold(machine *infrav1.OCIMeshMachine, device tailnet.Device) bool {
	status := machine.Status.Tailnet
	if status.DeviceID != "" {
		return tailnetnode.RecordedIn(status).Is(device.ID, device.Created) && tailnetnode.JoinedIn(status, v.tailnet.Name)
	}
	missing := func(tag string) bool { return !slices.Contains(device.Tags, tag) }
	return device.Hostname == identity.Hostname(machine.Name, identity.Of(machine)) && !slices.ContainsFunc(v.tailnet.Spec.ControlPlaneTags, missing)
}
