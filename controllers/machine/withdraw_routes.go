// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// withdrawRoutes takes the VIP from a control plane before it dies: clients are sent to another one
// at once. A failure does not stop the deletion: the coordination server notices a dead device by
// itself, only later.
func (r *Reconciler) withdrawRoutes(ctx context.Context, s *scope) error {
	if s.own.Status.Tailnet.DeviceID == "" || !s.isControlPlane() || s.infraCluster == nil {
		return nil
	}
	err := eachTailnet(ctx, r.Access, s, func(c *tailnet.Client, in *infrav1.Tailnet) error {
		claim, err := r.claimToLeave(ctx, s, in)
		if err != nil || claim.Recorded.ID == "" {
			return err
		}
		proof, err := tailnetnode.ProveRecorded(ctx, c, claim)
		if err != nil || proof.IsZero() {
			return err
		}
		return c.DisableRoutes(ctx, proof)
	})
	if err != nil {
		ctrl.LoggerFrom(ctx).Info("Cannot withdraw the control plane's routes", "reason", problemReason(err), "message", problemMessage(err))
	}
	return nil
}
