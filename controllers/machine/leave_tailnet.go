// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// leaveTailnet deletes the machine's device, revokes its keys and deletes the Secret with the key.
func (r *Reconciler) leaveTailnet(ctx context.Context, s *scope) error {
	err := eachTailnet(ctx, r.Access, s, func(c *tailnet.Client, in *infrav1.Tailnet) error { return r.leaveOne(ctx, s, c, in) })
	switch {
	case err != nil && s.mayHaveJoined():
		problem := access.AsProblem(err)
		if problem.Reason == infrav1.InternalErrorReason {
			return err
		}
		return &access.Problem{
			Reason: problem.Reason, RetryAfter: problem.RetryAfter, Err: err,
			Message: "The machine's device and key cannot be removed from the tailnet: " + problem.Message,
		}
	case err != nil:
		// No key was ever received, so no machine can have joined. A key with a lost answer expires
		// within the hour.
		ctrl.LoggerFrom(ctx).Info("Cannot look for keys of the machine", "reason", problemReason(err), "message", problemMessage(err))
	}
	if !s.key.Exists {
		return nil
	}
	return s.key.DeleteSecret(ctx)
}

// mayHaveJoined tells whether a device or a usable key of the machine may exist, as far as is
// recorded or proven: a providerID is neither.
func (s *scope) mayHaveJoined() bool {
	recorded := s.own.Status.Tailnet
	return s.key.Exists || s.hadInstance || s.own.Status.Instance.ID != "" || recorded.KeyID != "" || recorded.DeviceID != ""
}

// leaveOne removes the device and the keys proven to be the machine's.
func (r *Reconciler) leaveOne(ctx context.Context, s *scope, c *tailnet.Client, in *infrav1.Tailnet) error {
	// The device comes before the keys: whether the machine's key was used is a part of the proof.
	found, err := r.deviceToRemove(ctx, s, c, in)
	if err != nil {
		return err
	}
	if s.leavingClaim(in).Key.ID != "" {
		if err := c.RevokeKey(ctx, ownership.Recorded(s.own.Status.Tailnet.KeyID)); err != nil {
			return err
		}
	}
	if err := tailnetnode.RevokeKeys(ctx, c, s.owner, r.creations.searches.Since(s.search(), s.now), ""); err != nil {
		return err
	}
	return tailnetnode.Leave(ctx, c, found, r.Recorder, s.own)
}

// leavingClaim is what the machine knows of its device and its key without its instance. It goes by
// the recorded identifiers only in their own tailnet: Headscale counts devices and keys from 1, and
// another tailnet may use the same numbers.
func (s *scope) leavingClaim(in *infrav1.Tailnet) ownership.DeviceClaim {
	claim := s.claimIn(in, time.Time{})
	if s.infraCluster == nil && s.own.Status.Tailnet.Name == "" {
		claim.Recorded, claim.Key = ownership.RecordedDevice{}, ownership.JoinKey{}
	}
	return claim
}

// claimToLeave is leavingClaim with the time of the launch, where a device is judged by it.
func (r *Reconciler) claimToLeave(ctx context.Context, s *scope, in *infrav1.Tailnet) (ownership.DeviceClaim, error) {
	claim := s.leavingClaim(in)
	if !claim.Recorded.Created.IsZero() {
		return claim, nil
	}
	var err error
	claim.Launched, err = r.finder().LaunchedAt(ctx, s.owner)
	return claim, err
}

// deviceToRemove finds the machine's device, proven by its record or, without one, as ever.
func (r *Reconciler) deviceToRemove(ctx context.Context, s *scope, c *tailnet.Client, in *infrav1.Tailnet) (tailnetnode.Found, error) {
	claim, err := r.claimToLeave(ctx, s, in)
	if err != nil {
		return tailnetnode.Found{}, err
	}
	age := s.Intervals.Progress
	if claim.Recorded.ID == "" {
		age = 0
	}
	return r.Devices.FindToRemove(ctx, c, tailnetnode.Claimant{Object: s.own, Tailnet: in.Name}, claim, age)
}

// eachTailnet calls do for the machine's tailnet or, if it is not known, for each possible one.
func eachTailnet(
	ctx context.Context, clients *access.Clients, s *scope, do func(*tailnet.Client, *infrav1.Tailnet) error,
) error {
	tailnets, err := possibleTailnets(ctx, clients, s)
	if err != nil {
		return err
	}
	for i := range tailnets {
		c, err := clients.TailnetClient(ctx, &tailnets[i])
		if err != nil {
			return err
		}
		if err := do(c, &tailnets[i]); err != nil {
			return err
		}
	}
	return nil
}

// possibleTailnets are the recorded one, the cluster's or, once the OCIMeshCluster is gone, all
// tailnets open to the namespace. Once a machine may have joined, the tailnet need not be open to
// the namespace any more: the machine's own device and keys end all the same.
func possibleTailnets(ctx context.Context, clients *access.Clients, s *scope) ([]infrav1.Tailnet, error) {
	name := s.own.Status.Tailnet.Name
	if name == "" && s.infraCluster != nil {
		name = s.infraCluster.Spec.TailnetRef.Name
		if _, err := clients.Tailnet(ctx, name, s.own.Namespace); err != nil && !s.mayHaveJoined() {
			return nil, err
		}
	}
	if name == "" {
		return clients.Tailnets(ctx, s.own.Namespace)
	}
	tn, err := clients.TailnetOf(ctx, name)
	if err != nil {
		return nil, err
	}
	return []infrav1.Tailnet{*tn}, nil
}
