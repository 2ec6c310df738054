// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
)

// updateSize takes the next step towards the wanted boot volume and size. A step is recorded before
// it is taken, and ends with its restart.
func (u *Instance) updateSize(ctx context.Context, proof ownership.Proof, seen oci.Instance) error {
	update := &u.Own.Status.Update
	if update.Step == "" {
		SizeSeen(u.Own, seen)
	}
	if u.Now.Before(update.NotBefore.Time) && update.Generation == u.Own.Generation {
		u.GiveBack()
		u.waitForUpdate()
		return nil
	}
	resize := u.resizes(seen)
	volumes, err := u.volumes(ctx, u.in.Client, seen)
	if err != nil || u.needsAgent(volumes) {
		return err
	}
	_, grow := volumes.smaller()
	if update.Step != "" && (resize || grow) {
		if left, err := u.budgetLeaves(ctx); err != nil || !left {
			return err
		}
	}
	switch {
	case !resize && !grow && update.Step == "":
		u.GiveBack()
		*update, u.Own.Status.Size = infrav1.UpdateStatus{}, WantedSize(u.Own)
		return nil
	case !resize && !grow && update.Step.Resizes():
		// The answer to the call was lost, or the spec has its old size again.
		u.settleUpdate()
		u.waitForUpdate()
		return nil
	case update.Step == "":
		return u.beginUpdate(ctx, resize, grow)
	case grow:
		return u.growVolume(ctx, proof, volumes)
	case u.waitsForVolumes(volumes), update.Step.Grows():
		// The rest is the node's: see fillVolumes.
		return nil
	}
	return u.restart(ctx, proof, resize)
}

// resizes tells whether the instance has another size than the spec's.
func (u *Instance) resizes(seen oci.Instance) bool {
	wanted, flexible := u.wantedSize(seen.Shape)
	return flexible && (float64(wanted.OCPUs) != seen.OCPUs || float64(wanted.MemoryGB) != seen.MemoryGB)
}

func (u *Instance) wantedSize(shape string) (infrav1.Shape, bool) {
	for _, wanted := range u.Own.Spec.Shapes {
		if wanted.Name == shape && placement.IsFlexible(shape) {
			return wanted, true
		}
	}
	return infrav1.Shape{}, false
}

// beginUpdate records the step, once the account's budget has room for the new size and, before a
// restart, the other control planes are healthy and the node is drained.
func (u *Instance) beginUpdate(ctx context.Context, resize, grow bool) error {
	update := &u.Own.Status.Update
	before, step := *update, infrav1.UpdateRestart
	switch {
	case grow && HasAgent(u.Own):
		step = infrav1.UpdateGrow
	case resize:
		step = infrav1.UpdateResize
	}
	if !step.Grows() {
		if waits, err := u.awaitMembers(ctx); err != nil || waits {
			u.GiveBack()
			return err
		}
	}
	if left, err := u.budgetLeaves(ctx); err != nil || !left {
		return err
	}
	if !step.Grows() && !u.Drain.Over(ctx) {
		// Nothing is begun but the drain, and the budget is asked again after it.
		*update, u.Decided = before, u.Drain.Decided
		return nil
	}
	update.Step, update.Attempt = step, update.Attempt+1
	update.Refusal, update.RefusalReason, update.NotBefore = "", "", metav1.Time{}
	u.Decided = true
	updating(u.Pass, time.Second, aboutToChange)
	u.Pass.Stop()
	return nil
}

// budgetLeaves tells whether the account has room for the spec's size, and records it. A spec
// changed after the step was recorded is asked about again: else the first one's room would be the
// second one's.
func (u *Instance) budgetLeaves(ctx context.Context) (room bool, err error) {
	update := &u.Own.Status.Update
	if update.Step != "" && update.Generation == u.Own.Generation {
		return true, nil
	}
	refusal, err := u.Room(ctx)
	switch {
	case err != nil:
		return false, err
	case refusal != nil:
		u.PutOff = true
		u.Pass.Note(infrav1.UpdatedCondition, refusal.Reason, "%s", refusal.Message)
		u.Pass.Requeue(refusal.RetryAfter)
		return false, nil
	}
	update.Generation = u.Own.Generation
	if growSize(u.Own) && update.Step != "" {
		// It is written before OCI is asked.
		u.Decided = true
		updating(u.Pass, time.Second, aboutToChange)
		u.Pass.Stop()
		return false, nil
	}
	return true, nil
}

// restart asks for the step, after a control plane has left the virtual address. A call whose
// answer is lost is repeated with its retry token. The other control planes are looked at again:
// since the record volumes may have grown, or no manager has run. While they are waited for the
// step stays recorded, since OCI may have been asked.
func (u *Instance) restart(ctx context.Context, proof ownership.Proof, resize bool) error {
	update := &u.Own.Status.Update
	if waits, err := u.awaitMembers(ctx); err != nil || waits {
		return err
	}
	if !u.Drain.Over(ctx) {
		// While it waited the node took pods again.
		u.Decided = u.Drain.Decided
		return nil
	}
	if err := u.Withdraw(ctx); err != nil {
		return err
	}
	// The token is for the step as it is taken: a restart may have become a resize meanwhile.
	step := infrav1.UpdateRestart
	if resize {
		step = infrav1.UpdateResize
	}
	update.Step = step
	token := func(of ...string) string {
		return cloud.RetryToken(append([]string{u.Owner.Digest(), string(step), fmt.Sprint(update.Attempt)}, of...)...)
	}
	if !resize {
		// The answer names no work request: what comes of it is seen at the instance.
		if _, err := u.in.Client.InstanceAction(ctx, proof, oci.ActionSoftReset, token()); err != nil {
			return u.updateRefused(ctx, err)
		}
		u.askedOCI(ctx, "")
		u.settleUpdate()
		return nil
	}
	wanted, _ := u.wantedSize(u.Own.Status.Placement.Shape)
	id, err := u.in.Client.ResizeInstance(ctx, proof, float64(wanted.OCPUs), float64(wanted.MemoryGB),
		token(fmt.Sprint(wanted.OCPUs), fmt.Sprint(wanted.MemoryGB)))
	if err != nil {
		return u.updateRefused(ctx, err)
	}
	update.WorkRequestID = id
	u.askedOCI(ctx, id)
	return nil
}

// askedOCI tells of an accepted step, and ends the pass.
func (u *Instance) askedOCI(ctx context.Context, workRequest string) {
	step := u.Own.Status.Update.Step
	if u.Recorder != nil {
		u.Recorder.Eventf(u.Own, nil, corev1.EventTypeNormal, "InstanceUpdating", "Update", "OCI has accepted the instance's step %s", step)
	}
	ctrl.LoggerFrom(ctx).Info("OCI has accepted a change of the instance", "instance", u.Own.Status.Instance.ID, "step", step, "workRequest", workRequest)
	updating(u.Pass, u.Pass.Intervals.Progress, "OCI is working on the instance's step %s", step)
	u.Pass.Stop()
}
