// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"slices"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	corev1 "k8s.io/api/core/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

// withdrawRoutes takes the VIP from a control plane before it dies, so that clients are sent to
// another one at once. The deletion goes on if that fails: the coordination server notices a dead
// device by itself, only later.
func (r *Reconciler) withdrawRoutes(ctx context.Context, s *scope) error {
	recorded := ownership.Recorded(s.own.Status.Tailnet.DeviceID)
	if recorded.IsZero() || !s.isControlPlane() || s.infraCluster == nil {
		return nil
	}
	err := r.eachTailnet(ctx, s, func(c *tailnet.Client, _ *infrav1.Tailnet) error { return c.DisableRoutes(ctx, recorded) })
	if err != nil {
		ctrl.LoggerFrom(ctx).Info("Cannot withdraw the control plane's routes", "reason", problemReason(err), "message", problemMessage(err))
	}
	return nil
}

// withdrawVIP takes the VIP from devices that have it and are no control plane of the cluster. All
// else that they have stays.
func (r *Reconciler) withdrawVIP(ctx context.Context, s *scope, c *tailnet.Client, vip ownership.VIP, holders []tailnet.Device) error {
	if !slices.ContainsFunc(holders, func(d tailnet.Device) bool { return d.ID != s.observed.Device.ID }) {
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
		return status.DeviceID == device.ID && tailnetnode.JoinedIn(status, s.tailnet.Name)
	}
	missing := func(tag string) bool { return !slices.Contains(device.Tags, tag) }
	return device.Hostname == hostnameOf(machine.Name, identity.Of(machine)) && !slices.ContainsFunc(s.tailnet.Spec.ControlPlaneTags, missing)
}
