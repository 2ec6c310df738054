// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/cluster-api/util/patch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
)

// saver writes the results of a pass.
type saver struct {
	client    client.Client
	scheduler *scheduling.Scheduler
	recorder  events.EventRecorder
	metrics   *Metrics
}

func (r *Reconciler) saver() saver {
	return saver{client: r.Client, scheduler: r.Scheduler, recorder: r.Recorder, metrics: r.Metrics}
}

// save computes the conditions and writes everything, once.
func (w saver) save(ctx context.Context, s *scope) error {
	if s.unseen {
		return nil
	}
	if s.released {
		return w.removeFinalizer(ctx, s)
	}
	w.tell(s)
	if s.exclusive {
		_, err := w.writeDecision(ctx, s)
		return err
	}
	err := w.write(ctx, s)
	if err == nil {
		w.metrics.saved(s)
	}
	return err
}

// writeDecision writes what the pass has decided. A decision must not be written over an unseen
// one: it is not written if the cache was stale.
func (w saver) writeDecision(ctx context.Context, s *scope) (written bool, err error) {
	err = w.client.Status().Update(ctx, s.own)
	if apierrors.IsConflict(err) {
		// The write in between brings the next pass, and a new decision.
		w.scheduler.Cancel(ctx, client.ObjectKeyFromObject(s.own))
		return false, nil
	}
	if err != nil {
		return false, err
	}
	w.metrics.saved(s)
	return true, nil
}

// checkpoint writes a decision before the pass acts on it, as save would, and lets the pass go on
// from there: the next one could begin a second later at the earliest, since Cluster API's
// controllers look at an object once a second (its util/controller). A pass whose decision is not
// written ends, and writes nothing more.
func (w saver) checkpoint(ctx context.Context, s *scope) error {
	w.tell(s)
	written, err := w.writeDecision(ctx, s)
	if !written {
		s.unseen = true
		s.Stop()
		return err
	}
	s.before, s.exclusive, s.checked = s.own.DeepCopy(), false, true
	helper, err := patch.NewHelper(s.own, w.client)
	if err != nil {
		return err
	}
	s.patch = helper
	return nil
}

// tell computes the conditions, and tells of a change of Ready.
func (w saver) tell(s *scope) {
	updateStatus(s)
	if !s.handedOver || !conditions.IsTrue(s.own, infrav1.ReadyCondition) {
		s.Intervals.Announce(w.recorder, s.own, conditions.Get(s.before, infrav1.ReadyCondition), conditions.Get(s.own, infrav1.ReadyCondition))
	}
}

// write writes the changes of the pass. If nobody has written since it was read, spec and status
// are a request each, and an event of the watches; else, or if there is metadata to write, the
// parts are merged with the writes of others.
func (w saver) write(ctx context.Context, s *scope) error {
	if equality.Semantic.DeepEqual(s.before.ObjectMeta, s.own.ObjectMeta) {
		if err := w.overwrite(ctx, s.before, s.own); !apierrors.IsConflict(err) {
			return err
		}
	}
	return s.patch.Patch(ctx, s.own, patch.WithOwnedConditions{Conditions: ownedConditions})
}

// overwrite makes one object's spec and status another's. A write in between is a conflict. Nobody
// else writes the status, so it is written whole: this costs the API server a fifth less than a
// patch.
func (w saver) overwrite(ctx context.Context, before, wanted *infrav1.OCIMeshMachine) error {
	status := wanted.Status
	base := before
	if !equality.Semantic.DeepEqual(before.Spec, wanted.Spec) {
		changed := before.DeepCopy()
		changed.Spec = wanted.Spec
		if err := w.client.Patch(ctx, changed, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return err
		}
		base = changed
		// The conditions belong to the spec just written.
		observed(status.Conditions, base.Generation)
	}
	if equality.Semantic.DeepEqual(base.Status, status) {
		return nil
	}
	changed := base.DeepCopy()
	changed.Status = status
	return w.client.Status().Update(ctx, changed)
}

// removeFinalizer lets the object go. Its status is nobody's to read any more.
func (w saver) removeFinalizer(ctx context.Context, s *scope) error {
	released := s.before.DeepCopy()
	controllerutil.RemoveFinalizer(released, infrav1.OCIMeshMachineFinalizer)
	return client.IgnoreNotFound(w.client.Patch(ctx, released, client.MergeFrom(s.before)))
}
