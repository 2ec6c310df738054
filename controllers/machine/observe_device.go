// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// observeDevice looks for the machine's device in the tailnet, approves its routes and takes away
// its key.
func (r *Reconciler) observeDevice(ctx context.Context, s *scope) error {
	if s.tailnet == nil || s.instance == nil {
		return nil
	}
	node := tailnetnode.Node{
		Object: s.own, Status: &s.own.Status.Tailnet, Tailnet: s.tailnet, Claim: s.claimIn(s.tailnet, s.instance.CreatedAt),
		Launched: s.instance.CreatedAt, Running: s.instance.State == oci.StateRunning, Settled: s.wasProvisioned(), Now: s.now,
		Booting: s.isBooted(),
	}
	if node.MovedTailnet(&s.Pass) {
		return nil
	}
	c, err := r.Access.TailnetClient(ctx, s.tailnet)
	if err != nil {
		return phases.Unseen(err)
	}
	observed, err := tailnetnode.Observe(ctx, &s.Pass, c, r.Devices, &r.joins, node)
	if err != nil {
		return err
	}
	if observed.Joined && (s.own.Status.Tailnet.KeyID != "" || s.key.Exists || !s.wasProvisioned()) {
		recorded := ownership.Recorded(s.own.Status.Tailnet.KeyID)
		if err := s.key.Drop(ctx, c, recorded, observed.KeyUsed); err != nil {
			return err
		}
		s.own.Status.Tailnet.KeyID, s.own.Status.Tailnet.KeyExpires = "", metav1.Time{}
	}
	if observed.Joined {
		s.cache.Joined(s.instance.ID, client.ObjectKeyFromObject(s.own).String(), s.now)
	}
	if observed.Device == nil {
		return nil
	}
	s.observed = observed
	return approveRoutes(ctx, s, r.Devices, vipRoute{tailnet: s.tailnet, client: c, reader: r.APIReader, recorder: r.Recorder})
}

// isBooted tells whether the launched instance may have joined by now, although no poll has shown
// yet that it runs: earlier than after two intervals none has.
func (s *scope) isBooted() bool {
	since := s.cache.JoiningSince(s.instance.ID)
	if since.IsZero() {
		return false
	}
	left := 2*s.Intervals.Progress - s.now.Sub(since)
	if left > 0 {
		s.Requeue(left)
	}
	return left <= 0
}

// claimIn is what the machine knows of its device in a tailnet.
func (s *scope) claimIn(in *infrav1.Tailnet, launched time.Time) ownership.DeviceClaim {
	claim := ownership.DeviceClaim{
		Hostname: s.hostname, Tags: s.deviceTags(in), Launched: launched, JoinTimeout: s.options.JoinTimeout,
	}
	// A status of another tailnet says nothing of this one.
	if status := s.own.Status.Tailnet; tailnetnode.JoinedIn(status, in.Name) {
		claim.Recorded, claim.Key = tailnetnode.RecordedIn(status), tailnetnode.KeyIn(status, tailnet.MaxKeyExpiry)
	}
	return claim
}

// noteJoining says at once, after a launch, what comes next.
func (s *scope) noteJoining() {
	s.Note(infrav1.TailnetReadyCondition, infrav1.JoiningReason, tailnetnode.JoiningMessage, s.hostname)
}
