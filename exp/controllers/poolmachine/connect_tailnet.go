// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// connectTailnet finds the tailnet, whatever its state.
func (r *Reconciler) connectTailnet(ctx context.Context, s *scope) error {
	if !s.own.DeletionTimestamp.IsZero() && s.proof.IsZero() {
		// The name of a device follows from an instance; that of somebody else's proves nothing.
		return nil
	}
	if s.infraCluster == nil && s.own.DeletionTimestamp.IsZero() {
		return access.NewProblem(infrav1.TailnetNotFoundReason, "The OCIMeshCluster, which says in which tailnet the machine is, does not exist: create it again")
	}
	if s.infraCluster == nil {
		return access.NewProblem(infrav1.TailnetNotFoundReason,
			"The OCIMeshCluster is gone, which says in which tailnet device %s is: remove the device, then this object's finalizer", s.own.Name)
	}
	s.tailnet = &infrav1.Tailnet{}
	name := s.infraCluster.Spec.TailnetRef.Name
	err := r.Client.Get(ctx, client.ObjectKey{Name: name}, s.tailnet)
	switch {
	case apierrors.IsNotFound(err):
		return access.NewProblem(infrav1.TailnetNotFoundReason, "Tailnet %s, which the machine is in, does not exist: create it again", name)
	case err != nil:
		return fmt.Errorf("reading Tailnet %s: %w", name, err)
	}
	if s.own.DeletionTimestamp.IsZero() && s.own.Status.Tailnet.DeviceID == "" {
		// It has yet to join, and the cluster is the one that its labels say.
		if _, err := r.Access.Tailnet(ctx, name, s.own.Namespace); err != nil {
			return err
		}
	}
	s.joins, err = r.Access.TailnetClient(ctx, s.tailnet)
	return err
}
