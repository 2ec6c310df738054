// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package claims is a management cluster's side of who holds what in OCI, for all kinds: see
// package ownership for the rules, and docs/decisions/0022-held-by.md for why they are so.
package claims

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// DefaultWindow is for how long a claim can be contested: polls are a minute apart.
const DefaultWindow = 3 * time.Minute

// Claims are those of one management cluster. Nil claims nothing and minds nobody's claim.
type Claims struct {
	id     string
	window time.Duration

	mu   sync.Mutex
	seen map[string]time.Time
}

// New makes the claims of the management cluster whose namespace kube-system has the UID. A window
// of 0 is DefaultWindow.
func New(id string, window time.Duration) *Claims {
	if window <= 0 {
		window = DefaultWindow
	}
	return &Claims{id: id, window: window, seen: map[string]time.Time{}}
}

// Window is for how long a claim can be contested.
func (c *Claims) Window() time.Duration {
	if c == nil {
		return 0
	}
	return c.window
}

// Guard is a holder that only minds others' claims.
func (c *Claims) Guard() ownership.Holder {
	if c == nil {
		return ownership.Holder{}
	}
	return ownership.Holder{ID: c.id}
}

// Holder is the management cluster for a thing of an object, whose status the object has. rest is
// how often a thing at rest is looked at, if polls do not show it.
func (c *Claims) Holder(object client.Object, status infrav1.ClaimStatus, id string, now time.Time, rest time.Duration) ownership.Holder {
	if c == nil {
		return ownership.Holder{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return ownership.Holder{
		ID: c.id, Since: object.GetCreationTimestamp().Time, Now: now, Window: c.window, Rest: rest, Seen: c.seen[id], Status: status,
	}
}

// Yields tells whether a status says that this management cluster has left the thing to another
// one.
func (c *Claims) Yields(status infrav1.ClaimStatus) bool {
	return c != nil && status.ManagementCluster == c.id && status.State.IsElsewhere()
}

// Made is the status of what is made here.
func (c *Claims) Made() infrav1.ClaimStatus {
	if c == nil {
		return infrav1.ClaimStatus{}
	}
	return infrav1.ClaimStatus{ManagementCluster: c.id, State: infrav1.ClaimHeld}
}

// Next is the status that follows from what was seen of a thing at the time.
func (c *Claims) Next(holder ownership.Holder, judgement ownership.Judgement, id string, seen time.Time) infrav1.ClaimStatus {
	if c == nil {
		return holder.Status
	}
	if judgement.Outcome == ownership.Ours {
		c.mu.Lock()
		c.seen[id] = seen
		c.mu.Unlock()
	}
	return holder.Next(judgement, seen)
}

// Forget drops what is known of a thing that is gone or left.
func (c *Claims) Forget(id string) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.seen, id)
}

// Tell records an event of a decision, once.
func Tell(recorder events.EventRecorder, object client.Object, judgement ownership.Judgement, id string) {
	if recorder == nil || judgement.Again {
		return
	}
	switch judgement.Outcome {
	case ownership.Taken:
		recorder.Eventf(object, nil, corev1.EventTypeNormal, "Claimed", "Claim",
			"Claims %s, which another management cluster held until now (%s): these objects were moved or restored here", id, judgement.Tag)
	case ownership.Contested:
		recorder.Eventf(object, nil, corev1.EventTypeWarning, "ClaimContested", "Claim",
			"Another management cluster has claimed %s (%s), which this one holds: a restored copy of these objects is at work there, such as in a "+
				"drill. It is claimed back", id, judgement.Tag)
	}
}

// Left tells that something stays because another management cluster holds it.
func Left(recorder events.EventRecorder, object client.Object, claim ownership.Claim, id string) {
	if recorder != nil {
		recorder.Eventf(object, nil, corev1.EventTypeWarning, "LeftElsewhere", "Delete",
			"%s stays: management cluster %s holds it", id, claim.Holder)
	}
}
