// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"
	"strings"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/devices"
)

// observeDevice looks for the instance's device in the tailnet and approves its part of the pod
// network.
func (r *Reconciler) observeDevice(ctx context.Context, s *scope) error {
	status := &s.own.Status.Tailnet
	if s.instance == nil || (s.instance.State != oci.StateRunning && status.DeviceID == "") {
		return nil
	}
	if status.DeviceID != "" && status.Name != "" && status.Name != s.tailnet.Name {
		s.Note(infrav1.TailnetReadyCondition, infrav1.DeviceLostReason,
			"The machine joined Tailnet %s, and its cluster is in %s now: delete the Machine", status.Name, s.tailnet.Name)
		return nil
	}
	age := s.Intervals.Progress / 2
	if status.DeviceID != "" {
		age = s.Intervals.Poll / 2
	}
	list, err := s.joins.RecentDevices(ctx, age)
	if err != nil {
		return err
	}
	found, err := r.statuses().Find(ctx, s.joins, list, s.claimant(), r.claim(s, s.instance))
	if err != nil {
		return err
	}
	if found.Device == nil {
		r.notJoined(s, found)
		return nil
	}
	device := *found.Device
	devices.Record(status, s.tailnet.Name, s.own.Name, device)
	if trouble := devices.Trouble(device, s.now); trouble != nil {
		s.Note(infrav1.TailnetReadyCondition, trouble.Reason, "%s", trouble.Message)
		s.Requeue(s.Intervals.Progress)
		return nil
	}
	s.device, s.deviceWarning = found.Device, devices.Warning(device)
	if !device.Online && s.instance.State == oci.StateRunning {
		s.Note(infrav1.TailnetReadyCondition, infrav1.DeviceOfflineReason,
			"Device %s lost the coordination server at %s: see that the instance reaches the Internet, and tailscaled's log",
			device.Name, device.LastSeen.UTC().Format(time.RFC3339))
	}
	return s.approve(ctx, found.Proof)
}

// statuses know which devices objects have recorded.
func (r *Reconciler) statuses() devices.Statuses {
	return devices.Statuses{Client: r.Client, Others: DeviceKinds()}
}

func (s *scope) claimant() devices.Claimant {
	return devices.Claimant{Object: s.own, Tailnet: s.tailnet.Name}
}

// claim is what the machine knows of its device. Many machines join with the pool's key, so that
// the instance bounds when the device can have been made, if it carries the pool's tags: users make
// objects of this kind too, with names and provider IDs as they like.
func (r *Reconciler) claim(s *scope, instance *oci.Instance) ownership.DeviceClaim {
	claim := ownership.DeviceClaim{
		Hostname: s.own.Name, Tags: s.tailnet.Spec.NodeTags, JoinTimeout: r.Options.withDefaults().JoinTimeout,
	}
	if status := s.own.Status.Tailnet; status.Name == "" || status.Name == s.tailnet.Name {
		claim.Recorded = status.DeviceID
	}
	if instance == nil {
		return claim
	}
	if _, proven := s.prove(instance.ID, instance.Tags); proven {
		claim.Launched = instance.CreatedAt
	}
	return claim
}

func (r *Reconciler) notJoined(s *scope, found devices.Found) {
	s.Requeue(s.Intervals.Progress)
	if found.Finding != nil {
		s.Note(infrav1.TailnetReadyCondition, found.Finding.Reason, "%s", found.Finding.Message)
	}
	others := ""
	if len(found.Strangers) > 0 {
		others = "; not taken for it, since nothing proves that they are its own: " + strings.Join(found.Strangers, ", ")
	}
	timeout := r.Options.withDefaults().JoinTimeout
	if s.now.Sub(s.instance.CreatedAt) < timeout {
		s.Note(infrav1.TailnetReadyCondition, infrav1.JoiningReason, "Waiting for the machine to boot and join the tailnet as %s%s", s.own.Name, others)
		return
	}
	s.Note(infrav1.TailnetReadyCondition, infrav1.JoinTimeoutReason,
		"The machine has not joined the tailnet within %s: look for capom in the instance's console log for the reason, then delete the Machine%s",
		timeout, others)
}

// approve approves the node's own part of the pod network, as for other machines.
func (s *scope) approve(ctx context.Context, proof ownership.Proof) error {
	if s.infraCluster.Spec.PodNetwork.Mode != infrav1.PodNetworkTailnetRoutes || s.tailnet.Spec.RouteApproval != infrav1.RouteApprovalProvider {
		return nil
	}
	approval, err := devices.ApprovePodRoute(ctx, s.joins, devices.Node{
		Device: *s.device, Proof: proof, Tailnet: s.tailnet, Cluster: s.cluster, Network: s.infraCluster.Spec.PodNetwork,
	})
	if approval.Pending {
		s.Requeue(s.Intervals.Progress)
	}
	if approval.Finding != nil {
		s.Note(infrav1.TailnetReadyCondition, approval.Finding.Reason, "%s", approval.Finding.Message)
	}
	return err
}

// leaveTailnet removes the device that is recorded, or proven by the instance as polls show it.
func (r *Reconciler) leaveTailnet(ctx context.Context, s *scope) error {
	if s.joins == nil {
		return nil
	}
	instance := s.instance
	if seen, known := s.book.Instance(s.instanceID); instance == nil && known {
		instance = &seen.Instance
	}
	claim := r.claim(s, instance)
	list, err := s.joins.RecentDevices(ctx, s.Intervals.Progress)
	if err != nil {
		return err
	}
	found, err := r.statuses().Find(ctx, s.joins, list, s.claimant(), claim)
	if err != nil {
		return err
	}
	if claim.Recorded != "" {
		// Also if the list does not show it: that may be older than the device.
		found.Proof = ownership.Recorded(s.own.Status.Tailnet.DeviceID)
	}
	return devices.Leave(ctx, s.joins, found, r.Recorder, s.own)
}
