// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"context"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// Node is a machine, or the machine of a pool, on its tailnet.
type Node struct {
	// Object stands for the node. Status is its status's, which Observe writes.
	Object client.Object
	Status *infrav1.TailnetDeviceStatus
	// Tailnet is the cluster's.
	Tailnet *infrav1.Tailnet
	// Claim is what the object knows of its device.
	Claim ownership.DeviceClaim
	// Launched is when the instance was made. Running means RUNNING; Booting means that it may be
	// by now, and its device is to tell.
	Launched         time.Time
	Running, Booting bool
	// Settled nodes are not waited for: they have joined before, whatever status says of a device.
	Settled bool
	// Now is the time of the pass.
	Now time.Time
}

// Observed is a node's device. The zero value means none.
type Observed struct {
	// Device can talk to others; nil if it cannot. Proof is of it.
	Device *tailnet.Device
	Proof  ownership.Proof
	// Joined is set if there is a device and status has recorded it, whether or not it can talk to
	// others. KeyUsed is set once the key was seen to be of no more use to anybody.
	Joined, KeyUsed bool
	// Warning says why the device is about to leave the tailnet; empty if it is not.
	Warning string
	// List is what shows it.
	List *tailnet.DeviceList
}

// Client is what Observe and FindToRemove need of a tailnet.
type Client interface {
	KeyTeller
	RecentDevices(ctx context.Context, age time.Duration) (*tailnet.DeviceList, error)
	Device(ctx context.Context, id string) (tailnet.Device, error)
}

// Observe looks for the node's device, records it, and notes problems in the condition
// TailnetReady. Where joins looks for the node, its joining brings the next pass.
func Observe(ctx context.Context, p *phases.Pass, c Client, statuses Statuses, joins *Joins, n Node) (Observed, error) {
	if !n.Running && !n.Booting && n.Status.DeviceID == "" {
		n.noteJoining(p, nil)
		return Observed{}, nil
	}
	// Less than the node's interval, and little beside it while somebody waits for the node.
	age := JoinInterval(p.Intervals.Progress)
	if n.Status.DeviceID != "" {
		age = p.Intervals.Poll / 2
	}
	list, err := c.RecentDevices(ctx, age)
	if err != nil {
		return Observed{}, phases.Unseen(err)
	}
	found, err := statuses.Find(ctx, c, list, Claimant{Object: n.Object, Tailnet: n.Tailnet.Name}, n.Claim)
	if err != nil {
		return Observed{}, phases.Unseen(err)
	}
	if found.Device == nil {
		n.misses(p, joins, list, found)
		return Observed{}, nil
	}
	record(n.Status, n.Tailnet.Name, n.Claim.Hostname, *found.Device)
	observed := Observed{Joined: true, KeyUsed: found.KeyUsed, List: list}
	if trouble := trouble(*found.Device, n.Now); trouble != nil {
		p.Note(infrav1.TailnetReadyCondition, trouble.Reason, "%s", trouble.Message)
		p.Requeue(p.Intervals.Progress)
		return observed, nil
	}
	observed.Device, observed.Proof, observed.Warning = found.Device, found.Proof, warning(*found.Device)
	if !found.Device.Online && n.Running {
		p.Note(infrav1.TailnetReadyCondition, infrav1.DeviceOfflineReason,
			"Device %s lost the coordination server at %s: see that the instance reaches the Internet, and tailscaled's log%s",
			found.Device.Name, found.Device.LastSeen.UTC().Format(time.RFC3339), registeredAnew(found.Strangers))
	}
	return observed, nil
}

// MovedTailnet notes that the node joined another tailnet than its cluster is in now, if it did.
func (n Node) MovedTailnet(p *phases.Pass) bool {
	if n.Status.DeviceID == "" || JoinedIn(*n.Status, n.Tailnet.Name) {
		return false
	}
	p.Note(infrav1.TailnetReadyCondition, infrav1.DeviceLostReason,
		"The machine joined Tailnet %s, and its cluster is in %s now: replace the Machine", n.Status.Name, n.Tailnet.Name)
	return true
}

// misses says what is known of a node without a device, or without one proven to be its own.
func (n Node) misses(p *phases.Pass, joins *Joins, list *tailnet.DeviceList, found Found) {
	if found.Finding != nil {
		p.Note(infrav1.TailnetReadyCondition, found.Finding.Reason, "%s", found.Finding.Message)
	}
	switch {
	case n.Status.DeviceID != "":
		// No other device is waited for.
		p.Requeue(p.Intervals.Poll)
	case n.Running, n.Booting:
		n.await(p, joins, list)
	}
	if len(found.Strangers) > 0 {
		// A server may show the device before it shows the key as used, and another machine may let
		// go of the device.
		p.Requeue(p.Intervals.Progress)
	}
	n.noteJoining(p, found.Strangers)
}

// await has the node's next pass brought by its joining, or by the end of its time to join. An
// overdue node is looked for pass by pass, which costs fewer lists. So is every node if nobody
// looks.
func (n Node) await(p *phases.Pass, joins *Joins, list *tailnet.DeviceList) {
	left := n.Claim.JoinTimeout - n.Now.Sub(n.Launched)
	w := waiting{hostname: n.Claim.Hostname, keyID: n.Status.KeyID}
	w.seen = w.fingerprint(list)
	if !n.Settled && left > 0 && joins.await(n.Tailnet.Name, client.ObjectKeyFromObject(n.Object), w) {
		p.Requeue(left + time.Second)
		return
	}
	p.Requeue(p.Intervals.Progress)
}

// JoiningMessage says, with the hostname, what the node is yet to do.
const JoiningMessage = "Waiting for the machine to boot and join the tailnet as %s"

// noteJoining says what the node is yet to do, and when it is overdue.
func (n Node) noteJoining(p *phases.Pass, strangers []string) {
	others := ""
	if len(strangers) > 0 {
		others = "; not taken for it, since nothing proves that they are its own: " + strings.Join(strangers, ", ")
	}
	if n.Now.Sub(n.Launched) < n.Claim.JoinTimeout {
		p.Note(infrav1.TailnetReadyCondition, infrav1.JoiningReason, JoiningMessage+"%s", n.Claim.Hostname, others)
		return
	}
	p.Note(infrav1.TailnetReadyCondition, infrav1.JoinTimeoutReason,
		"The machine has not joined the tailnet within %s: look for capom in the instance's console log for the reason, "+
			"then delete the Machine%s", n.Claim.JoinTimeout, others)
}

// registeredAnew explains other devices of the machine's name.
func registeredAnew(strangers []string) string {
	if len(strangers) == 0 {
		return ""
	}
	return "; not taken for it, since anybody can use its name: " + strings.Join(strangers, ", ") +
		": if that is the machine, which lost its state and joined again, replace the Machine; else remove the device from the tailnet"
}
