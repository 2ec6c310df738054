// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// Finding is what is wrong, and what to do.
type Finding struct{ Reason, Message string }

func finding(reason, format string, args ...any) *Finding {
	return &Finding{reason, fmt.Sprintf(format, args...)}
}

// Found is what a search for an object's device has found.
type Found struct {
	// Device is the object's own; nil if it is not there, or not proven. Proof is of it.
	Device *tailnet.Device
	Proof  ownership.Proof
	// Finding is why no device is taken for the object's although there are some.
	Finding *Finding
	// KeyUsed says that the key was seen to be of no more use to anybody.
	KeyUsed bool
	// Strangers are the names of tagged devices that call themselves like the object and are not
	// proven to be its own.
	Strangers []string
}

// KeyTeller tells whether a key is live.
type KeyTeller interface {
	KeyIsLive(ctx context.Context, id string, notBefore time.Time) (bool, error)
}

// JoinedIn tells whether key and device in the status are of the tailnet. Versions that did not
// write the name knew the cluster's only.
func JoinedIn(status infrav1.TailnetDeviceStatus, tailnetName string) bool {
	return status.Name == "" || status.Name == tailnetName
}

// Find finds the object's device among all. A device that another object has recorded is not looked
// at again.
func (s Statuses) Find(
	ctx context.Context, keys KeyTeller, list *tailnet.DeviceList, of Claimant, claim ownership.DeviceClaim,
) (Found, error) {
	all := list.Of(claim.Recorded.ID, claim.Key.ID, claim.Hostname)
	verdict := claim.Judge(views(all))
	found := Found{Strangers: verdict.Strangers}
	switch {
	case verdict.Lost:
		found.Finding = lost(claim, verdict)
		return found, nil
	case len(verdict.Rivals) > 0:
		found.Strangers = append(found.Strangers, verdict.Rivals...)
		found.Finding = finding(infrav1.DeviceAmbiguousReason,
			"Devices %s could all be the machine's, and the coordination server does not say which joined with its key: "+
				"nothing is done with any of them; remove those that are not the machine's from the tailnet", strings.Join(verdict.Rivals, ", "))
		return found, nil
	case verdict.Proof.IsZero():
		found.Finding = unaddressed(claim, all)
		return found, nil
	}
	for i := range all {
		if all[i].ID == verdict.Proof.ID() {
			found.Device = &all[i]
		}
	}
	if claim.Recorded.ID != "" {
		found.Proof = verdict.Proof
		return found, nil
	}
	if verdict.IfKeyUsed {
		live, err := keys.KeyIsLive(ctx, claim.Key.ID, list.Began)
		if err != nil || live {
			// The machine has yet to join: this one came by another key.
			return Found{Strangers: append(found.Strangers, found.Device.Name)}, err
		}
		found.KeyUsed = true
	}
	refused, err := s.refuse(ctx, of, *found.Device)
	if err != nil || refused != nil {
		return Found{Strangers: append(found.Strangers, found.Device.Name), Finding: refused}, err
	}
	found.Proof = verdict.Proof
	return found, nil
}

func lost(claim ownership.DeviceClaim, verdict ownership.DeviceVerdict) *Finding {
	message := fmt.Sprintf("Device %s, which the machine joined as, is gone from the tailnet", claim.Recorded.ID)
	if verdict.Successor != "" {
		message += fmt.Sprintf(": the coordination server has given its number to another device, %s, as one does that was restored from a backup "+
			"or set up again. Nothing is done with that device", verdict.Successor)
	}
	if len(verdict.Strangers) == 0 {
		return finding(infrav1.DeviceLostReason, "%s. Delete the Machine, or let a MachineHealthCheck do so", message)
	}
	return finding(infrav1.DeviceLostReason, "%s. Not taken for it, since anybody can use its name: %s. "+
		"If that is the machine, which lost its state and joined again, replace the Machine; else remove the device from the tailnet",
		message, strings.Join(verdict.Strangers, ", "))
}

// unaddressed is about a device that would be the object's but for its lack of an IPv4 address; nil
// if there is none.
func unaddressed(claim ownership.DeviceClaim, devices []tailnet.Device) *Finding {
	for i, view := range views(devices) {
		if view.Reachable || devices[i].External {
			continue
		}
		view.Reachable = true
		if !claim.Judge([]ownership.Device{view}).Proof.IsZero() {
			return withoutIPv4(devices[i])
		}
	}
	return nil
}

// withoutIPv4 names both servers' ways: Headscale's prefixes.v4 with the command that gives nodes
// what they lack (hscontrol/db/ip.go, BackfillNodeIPs), and disableIPv4 or the node attribute
// disable-ipv4 of Tailscale's policy (tailscale.com/docs/reference/syntax/policy-file).
func withoutIPv4(device tailnet.Device) *Finding {
	return finding(infrav1.DeviceWithoutIPv4Reason,
		"Device %s has no IPv4 address in the tailnet, by which nodes reach each other: with Headscale set prefixes.v4 and run "+
			"headscale nodes backfillips; with Tailscale take disableIPv4 or the attribute disable-ipv4 out of the policy", device.Name)
}

func views(devices []tailnet.Device) []ownership.Device {
	out := make([]ownership.Device, 0, len(devices))
	for _, d := range devices {
		out = append(out, ownership.Device{
			ID: d.ID, Name: d.Name, Hostname: d.Hostname, Tags: d.Tags, KeyID: d.KeyID, Created: d.Created,
			Reachable: d.IPv4().IsValid() && !d.External,
		})
	}
	return out
}

// KeyIn is the key in an object's status. Servers count its life from its creation, by their own
// clock.
func KeyIn(status infrav1.TailnetDeviceStatus, life time.Duration) ownership.JoinKey {
	if status.KeyID == "" || status.KeyExpires.IsZero() {
		return ownership.JoinKey{}
	}
	// Status has whole seconds: the key may have expired within the one that follows.
	return ownership.JoinKey{
		ID: status.KeyID, Created: status.KeyExpires.Add(-life), Expires: status.KeyExpires.Add(time.Second),
	}
}

// RecordedIn is the device in an object's status.
func RecordedIn(status infrav1.TailnetDeviceStatus) ownership.RecordedDevice {
	return ownership.RecordedDevice{ID: status.DeviceID, Created: status.DeviceCreated.Time}
}

// record writes the device into an object's status, and its creation into that of an object from
// before this was recorded.
func record(status *infrav1.TailnetDeviceStatus, tailnetName, hostname string, device tailnet.Device) {
	if status.DeviceID == "" || status.DeviceCreated.IsZero() {
		status.DeviceCreated = metav1.NewTime(device.Created.Truncate(time.Second))
	}
	status.Name, status.Hostname, status.DeviceID = tailnetName, hostname, device.ID
	status.Addresses = nil
	if v4 := device.IPv4(); v4.IsValid() {
		status.Addresses = []string{v4.String()}
	}
	if v6 := device.IPv6(); v6.IsValid() {
		status.Addresses = append(status.Addresses, v6.String())
	}
}

// trouble is what keeps the device from talking to others; nil if nothing does. The machine has
// then not joined.
func trouble(device tailnet.Device, now time.Time) *Finding {
	switch {
	case !device.Authorized:
		return finding(infrav1.DeviceNotAuthorizedReason,
			"Device %s is not authorised to talk to others: approve it in the tailnet's admin console", device.Name)
	case device.LockError != "":
		return finding(infrav1.DeviceLockedReason,
			"Tailnet Lock keeps device %s from talking to others (%s): sign its node key with tailscale lock sign on a signing node, "+
				"or switch Tailnet Lock off; this provider makes no signed auth keys", device.Name, device.LockError)
	case expires(device) && !device.Expires.After(now):
		return finding(infrav1.DeviceKeyExpiredReason,
			"The key of device %s expired at %s, so that it cannot talk to others: disable key expiry for the device, "+
				"then have it log in again or replace the Machine", device.Name, device.Expires.UTC().Format(time.RFC3339))
	case !device.IPv4().IsValid():
		return withoutIPv4(device)
	}
	return nil
}

// warning is what is going to keep the device from talking to others, and when; empty if nothing
// is.
func warning(device tailnet.Device) string {
	if !expires(device) {
		return ""
	}
	return fmt.Sprintf("Key expiry is on for device %s: it drops out of the tailnet at %s; disable key expiry for it, as it is for other tagged devices",
		device.Name, device.Expires.UTC().Format(time.RFC3339))
}

func expires(device tailnet.Device) bool {
	return !device.KeyExpiryDisabled && !device.Expires.IsZero()
}
