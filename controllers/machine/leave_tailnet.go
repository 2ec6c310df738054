// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// leaveTailnet deletes the machine's device, revokes its keys and deletes the Secret with the key.
func (r *Reconciler) leaveTailnet(ctx context.Context, s *scope) error {
	err := r.eachTailnet(ctx, s, func(c *tailnet.Client, in *infrav1.Tailnet) error { return r.leave(ctx, s, c, in) })
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
		// No key was ever received, so that no machine can have joined; one whose answer was lost
		// expires within the hour.
		ctrl.LoggerFrom(ctx).Info("Cannot look for keys of the machine", "reason", problemReason(err), "message", problemMessage(err))
	}
	if !s.keyExists {
		return nil
	}
	return r.deleteKeySecret(ctx, s)
}

// mayHaveJoined tells whether a device or a usable key of the machine may exist, as far as is
// recorded or proven: a providerID is neither.
func (s *scope) mayHaveJoined() bool {
	recorded := s.own.Status.Tailnet
	return s.keyExists || s.hadInstance || s.own.Status.Instance.ID != "" || recorded.KeyID != "" || recorded.DeviceID != ""
}

// leave removes what is proven to be the machine's, and goes by the recorded identifiers only in
// the tailnet that they are of: Headscale counts devices and keys from 1, so that another tailnet's
// may have the same.
func (r *Reconciler) leave(ctx context.Context, s *scope, c *tailnet.Client, in *infrav1.Tailnet) error {
	claim := r.claim(s, in, time.Time{})
	if s.infraCluster == nil && s.own.Status.Tailnet.Name == "" {
		claim.Recorded, claim.Key = "", ownership.JoinKey{}
	}
	found, err := r.leftBehind(ctx, s, c, in, claim)
	if err != nil {
		return err
	}
	if claim.Key.ID != "" {
		if err := c.RevokeKey(ctx, ownership.Recorded(s.own.Status.Tailnet.KeyID)); err != nil {
			return err
		}
	}
	if err := tailnetnode.RevokeKeys(ctx, c, s.owner, r.ledger.searchedSince(s.search(), s.now), ""); err != nil {
		return err
	}
	return tailnetnode.Leave(ctx, c, found, r.Recorder, s.own)
}

// leftBehind finds the device to remove, and those of its name that stay. It comes before the keys
// are revoked, for whether the machine's was used is a part of the proof.
func (r *Reconciler) leftBehind(
	ctx context.Context, s *scope, c *tailnet.Client, in *infrav1.Tailnet, claim ownership.DeviceClaim,
) (tailnetnode.Found, error) {
	age := time.Duration(0)
	if claim.Recorded != "" {
		age = s.Intervals.Progress
	} else {
		launched, err := r.launchedAt(ctx, s)
		if err != nil {
			return tailnetnode.Found{}, err
		}
		claim.Launched = launched
	}
	list, err := c.RecentDevices(ctx, age)
	if err != nil {
		return tailnetnode.Found{}, err
	}
	found, err := r.statuses().Find(ctx, c, list, tailnetnode.Claimant{Object: s.own, Tailnet: in.Name}, claim)
	if claim.Recorded != "" {
		// Also if the list does not show it: that may be older than the device.
		found.Proof = ownership.Recorded(s.own.Status.Tailnet.DeviceID)
	}
	return found, err
}

// launchedAt is when the machine's instance was made, as far as polls show one that carries the
// machine's tags; else zero.
func (r *Reconciler) launchedAt(ctx context.Context, s *scope) (time.Time, error) {
	accounts := &infrav1.OCIAccountList{}
	if err := r.Client.List(ctx, accounts); err != nil {
		return time.Time{}, fmt.Errorf("listing OCIAccounts: %w", err)
	}
	var launched time.Time
	for i := range accounts.Items {
		for _, own := range instance.Of(s.owner, r.Pollers.Book(&accounts.Items[i]).Tagged(s.identity)) {
			if own.CreatedAt.After(launched) {
				launched = own.CreatedAt
			}
		}
	}
	return launched, nil
}

// eachTailnet calls do for the tailnet that the machine joined, or else for each that it may have
// joined.
func (r *Reconciler) eachTailnet(ctx context.Context, s *scope, do func(*tailnet.Client, *infrav1.Tailnet) error) error {
	tailnets, err := r.possibleTailnets(ctx, s)
	if err != nil {
		return err
	}
	for i := range tailnets {
		c, err := r.Access.TailnetClient(ctx, &tailnets[i])
		if err != nil {
			return err
		}
		if err := do(c, &tailnets[i]); err != nil {
			return err
		}
	}
	return nil
}

// possibleTailnets are the recorded one, the cluster's or, once the OCIMeshCluster is gone, each
// that the namespace may use. Whether a namespace may still use one does not matter to a machine
// that may have joined: what is its own is ended all the same.
func (r *Reconciler) possibleTailnets(ctx context.Context, s *scope) ([]infrav1.Tailnet, error) {
	name := s.own.Status.Tailnet.Name
	if name == "" && s.infraCluster != nil {
		name = s.infraCluster.Spec.TailnetRef.Name
		if _, err := r.Access.Tailnet(ctx, name, s.own.Namespace); err != nil && !s.mayHaveJoined() {
			return nil, err
		}
	}
	if name != "" {
		tn := &infrav1.Tailnet{}
		err := r.Client.Get(ctx, client.ObjectKey{Name: name}, tn)
		switch {
		case apierrors.IsNotFound(err):
			return nil, access.NewProblem(infrav1.TailnetNotFoundReason, "Tailnet %s does not exist: create it again", name)
		case err != nil:
			return nil, fmt.Errorf("reading Tailnet %s: %w", name, err)
		}
		return []infrav1.Tailnet{*tn}, nil
	}
	all := &infrav1.TailnetList{}
	if err := r.Client.List(ctx, all); err != nil {
		return nil, fmt.Errorf("listing Tailnets: %w", err)
	}
	var allowed []infrav1.Tailnet
	for _, tn := range all.Items {
		if _, err := r.Access.Tailnet(ctx, tn.Name, s.own.Namespace); err == nil {
			allowed = append(allowed, tn)
		}
	}
	return allowed, nil
}
