// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// clockSkew is how far the clocks of OCI and of the coordination server may be apart.
const clockSkew = 5 * time.Minute

// observeDevice looks for the machine's device in the tailnet, approves its routes and takes away the key that it used.
func (r *Reconciler) observeDevice(ctx context.Context, s *scope) error {
	if s.tailnet == nil || s.instance == nil {
		return nil
	}
	if s.instance.State != oci.StateRunning && s.own.Status.Tailnet.DeviceID == "" {
		r.notJoined(s)
		return nil
	}
	c, err := r.Access.TailnetClient(ctx, s.tailnet)
	if err != nil {
		return unseen(infrav1.TailnetReadyCondition, err)
	}
	// Less than the interval at which the machine is looked at, and little beside it while somebody waits for the machine.
	age := r.joinInterval()
	if s.own.Status.Tailnet.DeviceID != "" {
		age = r.Options.withDefaults().PollInterval / 2
	}
	devices, err := c.RecentDevices(ctx, s.hostname, age)
	if err != nil {
		return unseen(infrav1.TailnetReadyCondition, err)
	}
	device, joined := ownDevice(devices, s.own.Status.Tailnet.DeviceID, s.deviceTags(), s.instance.CreatedAt)
	if !joined {
		if s.instance.State == oci.StateRunning {
			r.awaitJoin(s, devices)
		}
		r.notJoined(s)
		return nil
	}
	s.device = &device
	recordDevice(&s.own.Status.Tailnet, s.hostname, device)
	if !device.Online && s.instance.State == oci.StateRunning {
		s.note(infrav1.TailnetReadyCondition, infrav1.DeviceOfflineReason,
			"Device %s lost the coordination server at %s: see that the instance reaches the Internet, and tailscaled's log",
			device.Name, device.LastSeen.UTC().Format(time.RFC3339))
	}
	if s.own.Status.Tailnet.KeyID != "" || s.keyExists || !s.provisioned() {
		if err := r.dropKey(ctx, s, c); err != nil {
			return failed(infrav1.TailnetReadyCondition, err)
		}
	}
	return failed(infrav1.TailnetReadyCondition, r.approve(ctx, s, c))
}

// awaitJoin has the machine's next pass brought by its joining, or by the time at which that is too long. One that is overdue, or whose
// device is gone, is looked for pass by pass, which costs fewer lists; so is any without somebody who looks.
func (r *Reconciler) awaitJoin(s *scope, others []tailnet.Device) {
	options := r.Options.withDefaults()
	left := options.JoinTimeout - s.now.Sub(s.instance.CreatedAt)
	w := waiting{hostname: s.hostname, seen: fingerprint(others)}
	if !s.provisioned() && left > 0 && r.joins.await(s.tailnet.Name, client.ObjectKeyFromObject(s.own), w) {
		s.requeue(left + time.Second)
		return
	}
	s.requeue(options.ProgressInterval)
}

// notJoined says what the machine is waited for, and from when on that is too long.
func (r *Reconciler) notJoined(s *scope) {
	timeout := r.Options.withDefaults().JoinTimeout
	if s.now.Sub(s.instance.CreatedAt) < timeout {
		s.noteJoining()
		return
	}
	s.note(infrav1.TailnetReadyCondition, infrav1.JoinTimeoutReason,
		"The machine has not joined the tailnet within %s: look for capom in the instance's console log for the reason, then delete the Machine",
		timeout)
}

func (s *scope) noteJoining() {
	s.note(infrav1.TailnetReadyCondition, infrav1.JoiningReason, "Waiting for the machine to boot and join the tailnet as %s", s.hostname)
}

// ownDevice is the newest device of the machine's name that its own key can have made: tagged as the key was, and not older
// than the instance. The one that was found before stays the machine's, also when the tailnet's tags have been changed since.
func ownDevice(devices []tailnet.Device, known string, tags []string, launched time.Time) (tailnet.Device, bool) {
	for _, device := range slices.Backward(devices) {
		if known != "" && device.ID == known {
			return device, true
		}
		if containsAll(device.Tags, tags) && !device.Created.Before(launched.Add(-clockSkew)) && device.IPv4().IsValid() {
			return device, true
		}
	}
	return tailnet.Device{}, false
}

func containsAll(have, want []string) bool {
	return !slices.ContainsFunc(want, func(tag string) bool { return !slices.Contains(have, tag) })
}

func recordDevice(status *infrav1.TailnetDeviceStatus, hostname string, device tailnet.Device) {
	status.Hostname = hostname
	status.DeviceID = device.ID
	status.Addresses = []string{device.IPv4().String()}
	if v6 := device.IPv6(); v6.IsValid() {
		status.Addresses = append(status.Addresses, v6.String())
	}
}
