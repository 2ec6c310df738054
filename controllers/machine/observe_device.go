// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/devices"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// observeDevice looks for the machine's device in the tailnet, approves its routes and takes away
// the key that it used.
func (r *Reconciler) observeDevice(ctx context.Context, s *scope) error {
	if s.tailnet == nil || s.instance == nil {
		return nil
	}
	status := &s.own.Status.Tailnet
	if s.instance.State != oci.StateRunning && status.DeviceID == "" {
		r.notJoined(s, nil)
		return nil
	}
	if status.DeviceID != "" && !joinedIn(*status, s.tailnet.Name) {
		s.Note(infrav1.TailnetReadyCondition, infrav1.DeviceLostReason,
			"The machine joined Tailnet %s, and its cluster is in %s now: replace the Machine", status.Name, s.tailnet.Name)
		return nil
	}
	c, err := r.Access.TailnetClient(ctx, s.tailnet)
	if err != nil {
		return phases.Unseen(err)
	}
	// Less than the interval at which the machine is looked at, and little beside it while somebody
	// waits for the machine.
	age := r.joinInterval()
	if status.DeviceID != "" {
		age = s.Intervals.Poll / 2
	}
	list, err := c.RecentDevices(ctx, age)
	if err != nil {
		return phases.Unseen(err)
	}
	found, err := r.statuses().Find(ctx, c, list, devices.Claimant{Object: s.own, Tailnet: s.tailnet.Name}, r.claim(s, s.tailnet, s.instance.CreatedAt))
	if err != nil {
		return phases.Unseen(err)
	}
	if found.Device == nil {
		r.missesDevice(s, list, found)
		return nil
	}
	return r.hasDevice(ctx, s, c, list, found)
}

// missesDevice says what is known of a machine whose device is not there, or is not proven to be
// its own.
func (r *Reconciler) missesDevice(s *scope, list *tailnet.DeviceList, found devices.Found) {
	if found.Finding != nil {
		s.Note(infrav1.TailnetReadyCondition, found.Finding.Reason, "%s", found.Finding.Message)
	}
	switch {
	case s.own.Status.Tailnet.DeviceID != "":
		// No other device is waited for.
		s.Requeue(s.Intervals.Poll)
	case s.instance.State == oci.StateRunning:
		r.awaitJoin(s, list)
	}
	if len(found.Strangers) > 0 {
		// A server may show the device before it shows that the key is used; another machine may
		// let go of it.
		s.Requeue(s.Intervals.Progress)
	}
	r.notJoined(s, found.Strangers)
}

// hasDevice records the machine's device and looks after it.
func (r *Reconciler) hasDevice(ctx context.Context, s *scope, c *tailnet.Client, list *tailnet.DeviceList, found devices.Found) error {
	device := *found.Device
	devices.Record(&s.own.Status.Tailnet, s.tailnet.Name, s.hostname, device)
	if s.own.Status.Tailnet.KeyID != "" || s.keyExists || !s.provisioned() {
		if err := r.dropKey(ctx, s, c, found.KeyUsed); err != nil {
			return err
		}
	}
	if trouble := devices.Trouble(device, s.now); trouble != nil {
		s.Note(infrav1.TailnetReadyCondition, trouble.Reason, "%s", trouble.Message)
		s.Requeue(s.Intervals.Progress)
		return nil
	}
	s.device, s.deviceProof, s.deviceWarning = found.Device, found.Proof, devices.Warning(device)
	if !device.Online && s.instance.State == oci.StateRunning {
		s.Note(infrav1.TailnetReadyCondition, infrav1.DeviceOfflineReason,
			"Device %s lost the coordination server at %s: see that the instance reaches the Internet, and tailscaled's log%s",
			device.Name, device.LastSeen.UTC().Format(time.RFC3339), registeredAnew(found.Strangers))
	}
	return r.approve(ctx, s, c, list)
}

// registeredAnew says what it can mean that there are others of the machine's name.
func registeredAnew(strangers []string) string {
	if len(strangers) == 0 {
		return ""
	}
	return "; not taken for it, since anybody can use its name: " + strings.Join(strangers, ", ") +
		": if that is the machine, which lost its state and joined again, replace the Machine; else remove the device from the tailnet"
}

// statuses know which devices objects have recorded.
func (r *Reconciler) statuses() devices.Statuses {
	return devices.Statuses{Client: r.Client, Others: r.OtherDevices}
}

// claim is what the machine knows of its device in a tailnet. What its status records of another's
// is not of this one.
func (r *Reconciler) claim(s *scope, in *infrav1.Tailnet, launched time.Time) ownership.DeviceClaim {
	claim := ownership.DeviceClaim{
		Hostname: s.hostname, Tags: s.deviceTags(in), Launched: launched, JoinTimeout: r.Options.withDefaults().JoinTimeout,
	}
	if status := s.own.Status.Tailnet; joinedIn(status, in.Name) {
		claim.Recorded, claim.Key = status.DeviceID, devices.Key(status, tailnet.MaxKeyExpiry)
	}
	return claim
}

// joinedIn tells whether key and device in the status are of the tailnet. Versions that did not
// write the name knew the cluster's only.
func joinedIn(status infrav1.TailnetDeviceStatus, tailnetName string) bool {
	return status.Name == "" || status.Name == tailnetName
}

// awaitJoin has the machine's next pass brought by its joining, or by the time at which that is too
// long. One that is overdue is looked for pass by pass, which costs fewer lists; so is any without
// somebody who looks.
func (r *Reconciler) awaitJoin(s *scope, list *tailnet.DeviceList) {
	left := r.Options.withDefaults().JoinTimeout - s.now.Sub(s.instance.CreatedAt)
	w := waiting{hostname: s.hostname, keyID: s.own.Status.Tailnet.KeyID}
	w.seen = w.fingerprint(list)
	if !s.provisioned() && left > 0 && r.joins.await(s.tailnet.Name, client.ObjectKeyFromObject(s.own), w) {
		s.Requeue(left + time.Second)
		return
	}
	s.Requeue(s.Intervals.Progress)
}

// notJoined says what the machine is waited for, and from when on that is too long.
func (r *Reconciler) notJoined(s *scope, strangers []string) {
	others := ""
	if len(strangers) > 0 {
		others = "; not taken for it, since nothing proves that they are its own: " + strings.Join(strangers, ", ")
	}
	timeout := r.Options.withDefaults().JoinTimeout
	if s.now.Sub(s.instance.CreatedAt) < timeout {
		s.Note(infrav1.TailnetReadyCondition, infrav1.JoiningReason, joiningMessage+"%s", s.hostname, others)
		return
	}
	s.Note(infrav1.TailnetReadyCondition, infrav1.JoinTimeoutReason,
		"The machine has not joined the tailnet within %s: look for capom in the instance's console log for the reason, then delete the Machine%s",
		timeout, others)
}

const joiningMessage = "Waiting for the machine to boot and join the tailnet as %s"

func (s *scope) noteJoining() {
	s.Note(infrav1.TailnetReadyCondition, infrav1.JoiningReason, joiningMessage, s.hostname)
}
