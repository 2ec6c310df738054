// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instance"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// settling is how long after a restart a machine is called updated at the earliest, by default. A
// Node that went down looks Ready for up to 50 seconds more (kube-controller-manager's
// --node-monitor-grace-period), and Cluster API would take the next machine down meanwhile.
const settling = time.Minute

// The next try of a resize that OCI has refused: OCI may stop the instance for each.
const (
	firstRetry = 10 * time.Minute
	lastRetry  = 2 * time.Hour
)

const aboutToChange = "OCI is about to be asked for the machine's change in place"

// isUpdated tells whether the machine is being updated in place: Cluster API says so by an
// annotation, and what was begun is finished also if that is taken away.
func (s *scope) isUpdated() bool {
	_, marked := s.own.Annotations[clusterv1.UpdateInProgressAnnotation]
	return marked || !isZero(s.own.Status.Update)
}

// isRestarting tells whether a restart of ours is to be expected.
func (s *scope) isRestarting() bool {
	update := s.own.Status.Update
	return (update.Step != "" && !update.Step.Grows()) || (!update.NotBefore.IsZero() && update.Refusal == "")
}

func isZero(update infrav1.UpdateStatus) bool {
	return update.Step == "" && update.Attempt == 0 && update.NotBefore.IsZero()
}

// update makes the instance what a changed spec wants: tags at once, larger volumes while it runs
// if the node has the agent, another size of a flexible shape by a restart. It looks at what OCI
// says now, since a poll may be older than its own last call.
func (r *Reconciler) update(ctx context.Context, s *scope) error {
	if !s.provisioned() || s.instance == nil {
		return nil
	}
	if err := r.learnSize(ctx, s); err != nil {
		return err
	}
	if !s.isUpdated() {
		r.Scheduler.GiveBack(client.ObjectKeyFromObject(s.own))
		s.recordTags()
		return nil
	}
	in, err := r.finder().connect(ctx, s.own.Status.Placement.Account)
	if err != nil {
		return err
	}
	ended, err := r.followWork(ctx, s, in.client)
	if err != nil || !ended {
		return err
	}
	seen, exists, err := instance.Observe(ctx, in.client, s.own.Status.Instance.ID)
	if err != nil || !exists {
		return err
	}
	in.cache.Note(seen, s.now)
	if seen.State != oci.StateRunning {
		if s.own.Status.Update.Step == "" && s.own.Status.Update.Refusal == "" {
			s.settleUpdate()
		}
		s.updating(s.Intervals.Progress, "Waiting for the instance, which is %s, to be RUNNING", seen.State)
		s.Stop()
		return nil
	}
	proof := ownership.Recorded(s.own.Status.Instance.ID)
	if err := s.updateTags(ctx, in, proof, seen); err != nil {
		return err
	}
	return r.updateSize(ctx, s, in, proof, seen)
}

// updating notes that the update is under way.
func (s *scope) updating(after time.Duration, format string, args ...any) {
	s.Note(infrav1.UpdatedCondition, infrav1.UpdatingReason, format, args...)
	s.Requeue(after)
}

// updateTags sets the spec's tags, and takes away those that it had before.
func (s *scope) updateTags(ctx context.Context, in account, proof ownership.Proof, seen oci.Instance) error {
	wanted := s.own.Spec.Tags
	var gone []string
	for _, name := range s.own.Status.TagNames {
		if _, keeps := wanted[name]; !keeps {
			if _, is := seen.Tags[name]; is {
				gone = append(gone, name)
			}
		}
	}
	if len(gone) > 0 || !seen.HasTags(wanted) {
		updated, err := in.client.UpdateInstanceTags(ctx, proof, wanted, gone)
		if err != nil {
			return err
		}
		in.cache.Note(updated, s.now)
	}
	s.recordTags()
	return nil
}

// recordTags notes which tags of the instance come from the spec.
func (s *scope) recordTags() { s.own.Status.TagNames = slices.Sorted(maps.Keys(s.own.Spec.Tags)) }

// updateSize takes the next step towards the wanted boot volume and size. A step is recorded before
// it is taken, and ends with the restart that it takes.
func (r *Reconciler) updateSize(ctx context.Context, s *scope, in account, proof ownership.Proof, seen oci.Instance) error {
	update := &s.own.Status.Update
	if update.Step == "" {
		s.sizeSeen(seen)
	}
	if s.now.Before(update.NotBefore.Time) && update.Generation == s.own.Generation {
		r.Scheduler.GiveBack(client.ObjectKeyFromObject(s.own))
		s.waitForUpdate()
		return nil
	}
	resize := s.resizes(seen)
	volumes, err := s.volumes(ctx, in.client, seen)
	if err != nil || s.needsAgent(volumes) {
		return err
	}
	_, grow := volumes.smaller()
	if update.Step != "" && (resize || grow) {
		if left, err := r.budgetLeaves(ctx, s); err != nil || !left {
			return err
		}
	}
	switch {
	case !resize && !grow && update.Step == "":
		r.Scheduler.GiveBack(client.ObjectKeyFromObject(s.own))
		*update, s.own.Status.Size = infrav1.UpdateStatus{}, s.wantedSizeStatus()
		return nil
	case !resize && !grow && update.Step.Resizes():
		// The answer to the call was lost, or the spec has its old size again.
		s.settleUpdate()
		s.waitForUpdate()
		return nil
	case update.Step == "":
		return r.beginUpdate(ctx, s, resize, grow)
	case grow:
		return r.growVolume(ctx, s, in.client, proof, volumes)
	case s.waitsForVolumes(volumes), update.Step.Grows():
		// The rest is the node's: see update volumes.
		return nil
	}
	return r.restart(ctx, s, in.client, proof, resize)
}

// resizes tells whether the instance has another size than the spec's.
func (s *scope) resizes(seen oci.Instance) bool {
	wanted, flexible := s.wantedSize(seen.Shape)
	return flexible && (float64(wanted.OCPUs) != seen.OCPUs || float64(wanted.MemoryGB) != seen.MemoryGB)
}

func (s *scope) wantedSize(shape string) (infrav1.Shape, bool) {
	for _, wanted := range s.own.Spec.Shapes {
		if wanted.Name == shape && placement.IsFlexible(shape) {
			return wanted, true
		}
	}
	return infrav1.Shape{}, false
}

// beginUpdate records the step, unless the account's budget has no room for the new size.
func (r *Reconciler) beginUpdate(ctx context.Context, s *scope, resize, grow bool) error {
	if left, err := r.budgetLeaves(ctx, s); err != nil || !left {
		return err
	}
	update := &s.own.Status.Update
	update.Step, update.Attempt = infrav1.UpdateRestart, update.Attempt+1
	switch {
	case grow && hasAgent(s.own):
		update.Step = infrav1.UpdateGrow
	case resize:
		update.Step = infrav1.UpdateResize
	}
	update.Refusal, update.RefusalReason, update.NotBefore = "", "", metav1.Time{}
	s.exclusive = true
	s.updating(time.Second, aboutToChange)
	s.Stop()
	return nil
}

// budgetLeaves tells whether the account has room for the spec's size, which it records. A spec
// that has changed since the step was recorded is asked about anew: else the first one's room would
// be the second one's.
func (r *Reconciler) budgetLeaves(ctx context.Context, s *scope) (room bool, err error) {
	update := &s.own.Status.Update
	if update.Step != "" && update.Generation == s.own.Generation {
		return true, nil
	}
	refusal, err := r.Scheduler.Stay(ctx, s.request(capacity.Refusals(s.own.Status.Shortages)))
	switch {
	case err != nil:
		return false, err
	case refusal != nil:
		s.Note(infrav1.UpdatedCondition, refusal.Reason, "%s", refusal.Message)
		s.Requeue(refusal.RetryAfter)
		return false, nil
	}
	update.Generation = s.own.Generation
	if s.growSize() && update.Step != "" {
		// It is written before OCI is asked.
		s.exclusive = true
		s.updating(time.Second, aboutToChange)
		s.Stop()
		return false, nil
	}
	return true, nil
}

// restart asks for the step, after a control plane has left the virtual address. A call whose
// answer is lost is repeated with its retry token.
func (r *Reconciler) restart(ctx context.Context, s *scope, c *oci.Client, proof ownership.Proof, resize bool) error {
	update := &s.own.Status.Update
	if s.tailnet != nil && s.tailnet.Spec.RouteApproval.ByProvider() {
		if err := r.withdrawRoutes(ctx, s); err != nil {
			return err
		}
	}
	// The token is for the step as it is taken: a restart may have become a resize meanwhile.
	step := infrav1.UpdateRestart
	if resize {
		step = infrav1.UpdateResize
	}
	update.Step = step
	token := func(of ...string) string {
		return cloud.RetryToken(append([]string{s.owner.Digest(), string(step), fmt.Sprint(update.Attempt)}, of...)...)
	}
	if !resize {
		// The answer names no work request: what comes of it is seen at the instance.
		if _, err := c.InstanceAction(ctx, proof, oci.ActionSoftReset, token()); err != nil {
			return r.updateRefused(ctx, s, err)
		}
		r.askedOCI(ctx, s, "")
		s.settleUpdate()
		return nil
	}
	wanted, _ := s.wantedSize(s.own.Status.Placement.Shape)
	id, err := c.ResizeInstance(ctx, proof, float64(wanted.OCPUs), float64(wanted.MemoryGB),
		token(fmt.Sprint(wanted.OCPUs), fmt.Sprint(wanted.MemoryGB)))
	if err != nil {
		return r.updateRefused(ctx, s, err)
	}
	update.WorkRequestID = id
	r.askedOCI(ctx, s, id)
	return nil
}

// askedOCI tells that a step was accepted, and ends the pass.
func (r *Reconciler) askedOCI(ctx context.Context, s *scope, workRequest string) {
	step := s.own.Status.Update.Step
	r.event(s, "InstanceUpdating", "Update", "OCI has accepted the instance's step %s", step)
	ctrl.LoggerFrom(ctx).Info("OCI has accepted a change of the instance", "instance", s.own.Status.Instance.ID, "step", step, "workRequest", workRequest)
	s.updating(s.Intervals.Progress, "OCI is at the instance's step %s", step)
	s.Stop()
}

// followWork tells whether nothing is under way any more.
func (r *Reconciler) followWork(ctx context.Context, s *scope, c *oci.Client) (ended bool, err error) {
	update := &s.own.Status.Update
	if update.WorkRequestID == "" {
		return true, nil
	}
	work, err := c.WorkOf(ctx, update.WorkRequestID)
	switch {
	case cloud.IsKind(err, cloud.NotFoundOrUnauthorized):
		// OCI forgets work requests: what has come of it is seen at the instance.
		work = oci.Work{Done: true}
	case err != nil:
		return false, err
	case !work.Done:
		s.updating(s.Intervals.Progress, "OCI is at the instance's step %s", update.Step)
		s.Stop()
		return false, nil
	}
	if work.Failure != nil {
		s.putUpdateOff(ctx, work.Failure)
		return false, nil
	}
	s.settleUpdate()
	return true, nil
}

// settleUpdate ends a step, and gives the node its time after the restart.
func (s *scope) settleUpdate() {
	s.own.Status.Update = infrav1.UpdateStatus{
		Generation: s.own.Generation, Attempt: s.own.Status.Update.Attempt, NotBefore: metav1.NewTime(s.now.Add(s.options.SettleTime).Truncate(time.Second)),
	}
}

// updateRefused puts the step off if OCI says no; anything else is tried again at once.
func (r *Reconciler) updateRefused(ctx context.Context, s *scope, err error) error {
	if !capacity.IsShortage(err) && !capacity.IsRefusal(err) && !cloud.IsKind(err, cloud.InvalidRequest) {
		return err
	}
	s.putUpdateOff(ctx, err)
	return nil
}

// putUpdateOff has the next try, with another retry token, wait.
func (s *scope) putUpdateOff(ctx context.Context, err error) {
	update := &s.own.Status.Update
	retry := min(lastRetry, firstRetry<<min(update.Attempt-1, 8))
	reason := problemReason(err)
	*update = infrav1.UpdateStatus{
		Generation: s.own.Generation, Attempt: update.Attempt, NotBefore: metav1.NewTime(s.now.Add(retry).Truncate(time.Second)),
		RefusalReason: reason, Refusal: report.Truncate(problemMessage(err), 1000),
	}
	ctrl.LoggerFrom(ctx).Info("OCI refuses a change of the instance", "reason", reason, "again", update.NotBefore.Time)
	s.waitForUpdate()
}

// waitForUpdate says what the update waits for until its time. The other phases go on: the machine
// runs.
func (s *scope) waitForUpdate() {
	update, left := s.own.Status.Update, s.own.Status.Update.NotBefore.Sub(s.now)
	s.Requeue(max(time.Second, min(left, s.Intervals.Poll)))
	if update.Refusal == "" {
		s.Note(infrav1.UpdatedCondition, infrav1.UpdatingReason, "Waiting for the node to settle after its restart")
		return
	}
	s.Note(infrav1.UpdatedCondition, update.RefusalReason, "OCI does not change the instance, which runs on as it is: %s; the next try is at %s",
		update.Refusal, update.NotBefore.UTC().Format(time.RFC3339))
}
