// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// observeDevice looks for the machine's device in the tailnet, approves its routes and takes away
// the key that it used.
func (r *Reconciler) observeDevice(ctx context.Context, s *scope) error {
	if s.tailnet == nil || s.instance == nil {
		return nil
	}
	node := tailnetnode.Node{
		Object: s.own, Status: &s.own.Status.Tailnet, Tailnet: s.tailnet, Claim: r.claim(s, s.tailnet, s.instance.CreatedAt),
		Launched: s.instance.CreatedAt, Running: s.instance.State == oci.StateRunning, Settled: s.provisioned(), Now: s.now,
	}
	if node.MovedTailnet(&s.Pass) {
		return nil
	}
	c, err := r.Access.TailnetClient(ctx, s.tailnet)
	if err != nil {
		return phases.Unseen(err)
	}
	observed, err := tailnetnode.Observe(ctx, &s.Pass, c, r.statuses(), &r.joins, node)
	if err != nil {
		return err
	}
	if observed.Joined && (s.own.Status.Tailnet.KeyID != "" || s.keyExists || !s.provisioned()) {
		if err := r.dropKey(ctx, s, c, observed.KeyUsed); err != nil {
			return err
		}
	}
	if observed.Device == nil {
		return nil
	}
	s.observed = observed
	return r.approve(ctx, s, c)
}

// statuses know which devices objects have recorded.
func (r *Reconciler) statuses() tailnetnode.Statuses {
	return tailnetnode.Statuses{Client: r.Client, Others: r.OtherDevices}
}

// claim is what the machine knows of its device in a tailnet. What its status records of another's
// is not of this one.
func (r *Reconciler) claim(s *scope, in *infrav1.Tailnet, launched time.Time) ownership.DeviceClaim {
	claim := ownership.DeviceClaim{
		Hostname: s.hostname, Tags: s.deviceTags(in), Launched: launched, JoinTimeout: r.Options.withDefaults().JoinTimeout,
	}
	if status := s.own.Status.Tailnet; tailnetnode.JoinedIn(status, in.Name) {
		claim.Recorded, claim.Key = status.DeviceID, tailnetnode.KeyIn(status, tailnet.MaxKeyExpiry)
	}
	return claim
}

// noteJoining says at once, after a launch, what comes next.
func (s *scope) noteJoining() {
	s.Note(infrav1.TailnetReadyCondition, infrav1.JoiningReason, tailnetnode.JoiningMessage, s.hostname)
}
