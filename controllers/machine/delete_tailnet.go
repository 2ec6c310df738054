// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// withdrawRoutes takes the VIP from a control plane before it dies, so that clients are sent to another one at once. The
// deletion goes on if that fails: the coordination server notices a dead device by itself, only later.
func (r *Reconciler) withdrawRoutes(ctx context.Context, s *scope) error {
	id := s.own.Status.Tailnet.DeviceID
	if id == "" || !s.isControlPlane() || s.infraCluster == nil {
		return nil
	}
	err := r.eachTailnet(ctx, s, func(c *tailnet.Client) error { return c.DisableRoutes(ctx, id) })
	if err != nil {
		ctrl.LoggerFrom(ctx).Info("Cannot withdraw the control plane's routes", "reason", problemReason(err), "message", problemMessage(err))
	}
	return nil
}

// leaveTailnet deletes the machine's devices, revokes its keys and deletes the Secret with the key.
func (r *Reconciler) leaveTailnet(ctx context.Context, s *scope) error {
	err := r.eachTailnet(ctx, s, func(c *tailnet.Client) error { return r.leave(ctx, s, c) })
	switch {
	case err != nil && s.mayHaveJoined():
		problem := access.AsProblem(err)
		if problem.Reason == infrav1.InternalErrorReason {
			return err
		}
		return &phaseError{condition: infrav1.DeletingCondition, problem: &access.Problem{
			Reason: problem.Reason, RetryAfter: problem.RetryAfter, Err: err,
			Message: "The machine's device and key cannot be removed from the tailnet: " + problem.Message,
		}}
	case err != nil:
		// No key was ever received, so that no machine can have joined; one whose answer was lost expires within the hour.
		ctrl.LoggerFrom(ctx).Info("Cannot look for keys of the machine", "reason", problemReason(err), "message", problemMessage(err))
	}
	if !s.keyExists {
		return nil
	}
	return r.deleteKeySecret(ctx, s)
}

// mayHaveJoined tells whether a device or a usable key of the machine may exist.
func (s *scope) mayHaveJoined() bool {
	recorded := s.own.Status.Tailnet
	return s.keyExists || s.hadInstance || s.launched() || recorded.KeyID != "" || recorded.DeviceID != ""
}

// leave goes by names, and by the recorded identifiers only in the cluster's own tailnet: Headscale counts devices and keys from
// 1, so that another tailnet's may have the same.
func (r *Reconciler) leave(ctx context.Context, s *scope, c *tailnet.Client) error {
	if err := revokeKeys(ctx, c, s.identity, r.ledger.searchedSince(s.search(), s.now)); err != nil {
		return err
	}
	if s.infraCluster != nil {
		if err := leaveByID(ctx, s.own.Status.Tailnet, c); err != nil {
			return err
		}
	}
	devices, err := c.FindDevice(ctx, s.hostname)
	if err != nil {
		return err
	}
	for _, device := range devices {
		// A device without tags is a person's that happens to have the name.
		if len(device.Tags) == 0 {
			continue
		}
		if err := c.DeleteDevice(ctx, device.ID); err != nil {
			return err
		}
	}
	return nil
}

func leaveByID(ctx context.Context, recorded infrav1.TailnetDeviceStatus, c *tailnet.Client) error {
	if recorded.KeyID != "" {
		if err := c.RevokeKey(ctx, recorded.KeyID); err != nil {
			return err
		}
	}
	if recorded.DeviceID != "" {
		return c.DeleteDevice(ctx, recorded.DeviceID)
	}
	return nil
}

// eachTailnet calls do for the cluster's tailnet or, once the OCIMeshCluster is gone, for each that the namespace may use.
func (r *Reconciler) eachTailnet(ctx context.Context, s *scope, do func(*tailnet.Client) error) error {
	tailnets, err := r.possibleTailnets(ctx, s)
	if err != nil {
		return err
	}
	for i := range tailnets {
		c, err := r.Access.TailnetClient(ctx, &tailnets[i])
		if err != nil {
			return err
		}
		if err := do(c); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) possibleTailnets(ctx context.Context, s *scope) ([]infrav1.Tailnet, error) {
	if s.infraCluster != nil {
		tn := &infrav1.Tailnet{}
		name := s.infraCluster.Spec.TailnetRef.Name
		err := r.Client.Get(ctx, client.ObjectKey{Name: name}, tn)
		switch {
		case apierrors.IsNotFound(err):
			return nil, access.NewProblem(infrav1.TailnetNotFoundReason, "there is no Tailnet %s: create it again", name)
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
