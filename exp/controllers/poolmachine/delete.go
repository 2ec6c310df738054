// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/exp/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/remains"
)

// detach takes the instance out of its pool, which ends it and makes the pool smaller by one, so that OCI puts no other in its place.
// The instance is looked at anew each time: to detach twice would make the pool smaller by two.
func (r *Reconciler) detach(ctx context.Context, s *scope) error {
	seen, exists, err := instance.Observe(ctx, s.client, s.instanceID)
	if err != nil {
		return waitingForAccount(err)
	}
	if exists {
		// What polls show is older: the pool would take the instance for one that stays, and make an object for it again.
		s.book.Note(seen, s.now)
	}
	if !exists || seen.State == oci.StateTerminated {
		s.own.Status.Instance.State = string(oci.StateTerminated)
		return nil
	}
	s.own.Status.Instance.ID, s.own.Status.Instance.State = s.instanceID, string(seen.State)
	s.own.Status.AvailabilityDomain = seen.AvailabilityDomain
	if seen.State != oci.StateTerminating {
		if err := r.end(ctx, s, seen); err != nil {
			return waitingForAccount(err)
		}
	}
	s.book.Hurry()
	return access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for instance %s, which is %s, to be TERMINATED", s.instanceID, seen.State)
}

func (r *Reconciler) end(ctx context.Context, s *scope, seen oci.Instance) error {
	pool := s.pool.Status.Pool.ID
	err := error(&cloud.Error{Kind: cloud.NotFoundOrUnauthorized})
	if pool != "" {
		err = s.client.DetachInstance(ctx, pool, s.instanceID)
	}
	switch {
	case cloud.IsKind(err, cloud.Conflict):
		// It is on its way out already, or the pool is in the middle of another change; the next pass looks again.
		return nil
	case cloud.IsKind(err, cloud.NotFoundOrUnauthorized):
		// It is no member of the pool, or not any more.
		_, err = remains.EndInstance(ctx, s.client, seen)
	}
	return err
}

// waitingForAccount says that nothing can be proven gone for the moment.
func waitingForAccount(err error) error {
	problem := access.AsProblem(err)
	if problem.Reason == infrav1.InternalErrorReason {
		return err
	}
	return &access.Problem{
		Reason: infrav1.WaitingForAccountReason, RetryAfter: problem.RetryAfter, Err: err,
		Message: "The instance cannot be proven gone: " + problem.Message,
	}
}

// removeVolumes deletes the data volumes that a detached instance leaves behind.
func (r *Reconciler) removeVolumes(ctx context.Context, s *scope) error {
	if s.own.Status.AvailabilityDomain == "" {
		// It was never seen. What it may have left is the pool's to remove.
		return nil
	}
	attachments, err := s.client.DataVolumeAttachments(ctx, s.instanceID)
	if err != nil {
		return waitingForAccount(err)
	}
	ids := []string{}
	for _, attachment := range attachments {
		ids = append(ids, attachment.VolumeID)
	}
	if len(ids) == 0 {
		return nil
	}
	gone, err := remains.RemoveVolumes(ctx, s.client, identity.Of(s.pool), ids)
	if err != nil {
		return waitingForAccount(err)
	}
	if !gone {
		return access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for the data volumes of instance %s to be gone", s.instanceID)
	}
	return nil
}

// release lets the object go: nothing is left that it stood for.
func (r *Reconciler) release(ctx context.Context, s *scope) error {
	controllerutil.RemoveFinalizer(s.own, expv1.OCIMeshMachinePoolMachineFinalizer)
	ctrl.LoggerFrom(ctx).Info("Nothing is left of the machine")
	return nil
}
