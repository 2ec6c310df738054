// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/exp/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/remains"
)

// look looks at the instance anew each time, and whether it is own's: to detach it twice would make
// the pool smaller by two.
func (r *Reconciler) look(ctx context.Context, s *scope) error {
	if s.client == nil {
		r.tellInstanceLeft(s)
		return nil
	}
	seen, exists, err := instance.Observe(ctx, s.client, s.instanceID)
	switch {
	case err != nil:
		return access.NotProvenGone(err)
	case !exists:
		if s.proof = s.recorded(); !s.proof.IsZero() {
			s.own.Status.Instance.State = string(oci.StateTerminated)
		}
		return nil
	case !s.take(seen):
		if seen.State != oci.StateTerminated {
			r.tellInstanceLeft(s)
		}
		return nil
	}
	// What polls show is older: the pool would take the instance for one that stays, and make an
	// object for it again.
	s.book.Note(seen, s.now)
	s.instance = &seen
	s.own.Status.Instance.State, s.own.Status.AvailabilityDomain = string(seen.State), seen.AvailabilityDomain
	return nil
}

func (r *Reconciler) tellInstanceLeft(s *scope) {
	if r.Recorder != nil {
		r.Recorder.Eventf(s.own, nil, corev1.EventTypeWarning, expv1.InstanceNotOwnedReason, "Delete", "%s", s.notOwned())
	}
}

// recordVolumes records, before the end is asked for, which data volumes go with the instance, and
// ends the pass. It is done anew if the end is not under way for long: somebody may have detached a
// volume meanwhile, to rescue it.
func (r *Reconciler) recordVolumes(ctx context.Context, s *scope) error {
	if s.proof.IsZero() || s.ended() || s.instance.State == oci.StateTerminating || remains.IsRecent(s.own.Status.Leaving, s.now) {
		return nil
	}
	attachments, err := s.client.DataVolumeAttachments(ctx, s.proof.ID())
	if err != nil {
		return access.NotProvenGone(err)
	}
	leaving, err := remains.Leaving(ctx, s.client, attachments, []string{s.proof.ID()}, s.mark(), s.now)
	if err != nil {
		return access.NotProvenGone(err)
	}
	known := remains.IsKnown(s.own.Status.Leaving, leaving)
	s.own.Status.Leaving = leaving
	if known {
		return nil
	}
	s.Deletion = access.NewProblem(infrav1.WaitingForTerminationReason, "Recorded %d data volumes that go with instance %s",
		len(leaving.VolumeIDs), s.proof.ID())
	s.Stop()
	s.Requeue(time.Second)
	return nil
}

// ended tells whether the instance is gone.
func (s *scope) ended() bool { return s.instance == nil || s.instance.State == oci.StateTerminated }

// detach takes the instance out of its pool, which ends it and makes the pool smaller by one, so
// that OCI puts no other in its place.
func (r *Reconciler) detach(ctx context.Context, s *scope) error {
	if s.proof.IsZero() || s.ended() {
		return nil
	}
	if s.instance.State != oci.StateTerminating {
		if err := r.end(ctx, s); err != nil {
			return access.NotProvenGone(err)
		}
	}
	s.book.Hurry()
	return access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for instance %s, which is %s, to be TERMINATED",
		s.proof.ID(), s.instance.State)
}

func (r *Reconciler) end(ctx context.Context, s *scope) error {
	pool, err := s.instancePool(ctx)
	if err != nil {
		return err
	}
	err = error(&cloud.Error{Kind: cloud.NotFoundOrUnauthorized})
	if !pool.IsZero() {
		err = s.client.DetachInstance(ctx, pool, s.proof)
	}
	switch {
	case cloud.IsKind(err, cloud.Conflict):
		// It is on its way out already, or the pool is in the middle of another change; the next
		// pass looks again.
		return nil
	case cloud.IsKind(err, cloud.NotFoundOrUnauthorized):
		// It is no member of the pool, or not any more.
		_, err = instance.End(ctx, s.client, s.proof, s.instance.State)
	}
	return err
}

// instancePool is the pool in OCI: the one that is recorded, or one that has the pool's tags.
// Without status of the pool the instance would otherwise be ended as if it were in none, and OCI
// would put another one in its place.
func (s *scope) instancePool(ctx context.Context) (ownership.Proof, error) {
	switch {
	case s.pool == nil || s.pool.Spec.Account != s.account.Name:
		return ownership.Proof{}, nil
	case s.pool.Status.Pool.ID != "":
		return ownership.Recorded(s.pool.Status.Pool.ID), nil
	}
	owner := poolid.Owner(s.pool)
	pools, err := s.client.ListInstancePools(ctx, owner.Tags())
	if err != nil {
		return ownership.Proof{}, err
	}
	for _, pool := range pools {
		if proof, proven := owner.Tagged(pool.ID, pool.Tags); proven && !pool.State.IsEnding() {
			return proof, nil
		}
	}
	return ownership.Proof{}, nil
}

// removeVolumes deletes the recorded data volumes, which a detached instance leaves behind, and
// tells of others that were the instance's.
func (r *Reconciler) removeVolumes(ctx context.Context, s *scope) error {
	if s.proof.IsZero() {
		return nil
	}
	attachments, err := s.client.DataVolumeAttachments(ctx, s.proof.ID())
	if err != nil {
		return access.NotProvenGone(err)
	}
	volumes := remains.Volumes{Instances: []string{s.proof.ID()}, Told: s.wasOwn(attachments)}
	for i := range s.own.Status.Leaving.VolumeIDs {
		volumes.Own = append(volumes.Own, ownership.Recorded(s.own.Status.Leaving.VolumeIDs[i]))
	}
	if len(volumes.Own)+len(attachments) == 0 {
		return nil
	}
	gone, left, err := remains.RemoveVolumes(ctx, s.client, volumes)
	if err != nil {
		return access.NotProvenGone(err)
	}
	if !gone {
		return access.NewProblem(infrav1.WaitingForTerminationReason, "Waiting for the data volumes of instance %s to be gone", s.proof.ID())
	}
	s.left = left
	return nil
}

// mark is what the instance's data volumes are tagged with; nil if nothing tells.
func (s *scope) mark() map[string]string {
	var mark map[string]string
	if s.instance != nil {
		mark = remains.Mark(s.instance.Tags)
	}
	if mark == nil && s.pool != nil {
		mark = poolid.Owner(s.pool).Tags()
	}
	return mark
}

// wasOwn tells whether a volume was made with the instance. One that the end of the whole pool
// takes along is nobody's concern here.
func (s *scope) wasOwn(attachments []oci.VolumeAttachment) func(oci.Volume) bool {
	mark := s.mark()
	return func(volume oci.Volume) bool {
		attached := slices.ContainsFunc(attachments, func(a oci.VolumeAttachment) bool { return a.VolumeID == volume.ID })
		withPool := s.pool != nil && slices.Contains(s.pool.Status.Leaving.VolumeIDs, volume.ID)
		return attached && !withPool && len(mark) > 0 && volume.HasTags(mark)
	}
}

// release lets the object go: nothing is left that it stood for.
func (r *Reconciler) release(ctx context.Context, s *scope) error {
	controllerutil.RemoveFinalizer(s.own, expv1.OCIMeshMachinePoolMachineFinalizer)
	if len(s.left) > 0 && r.Recorder != nil {
		r.Recorder.Eventf(s.own, nil, corev1.EventTypeWarning, remains.VolumesLeftReason, "Delete", "%s", remains.Left(s.account.Name, s.left))
	}
	ctrl.LoggerFrom(ctx).Info("Nothing is left of the machine")
	return nil
}
