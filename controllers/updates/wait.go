// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// FirstRetry is between a change that OCI has refused and the next try. It doubles with each, up to
// lastRetry: OCI may stop the instance for each.
const FirstRetry, lastRetry = 10 * time.Minute, 2 * time.Hour

// settleUpdate ends a step, and gives the node its time after the restart.
func (u *Instance) settleUpdate() {
	u.Own.Status.Update = infrav1.UpdateStatus{
		Generation: u.Own.Generation, Attempt: u.Own.Status.Update.Attempt, NotBefore: metav1.NewTime(u.Now.Add(u.SettleTime).Truncate(time.Second)),
	}
}

// updateRefused puts the step off if OCI says no; anything else is tried again at once.
func (u *Instance) updateRefused(ctx context.Context, err error) error {
	if !capacity.IsShortage(err) && !capacity.IsRefusal(err) && !cloud.IsKind(err, cloud.InvalidRequest) {
		return err
	}
	u.putUpdateOff(ctx, err)
	return nil
}

// putUpdateOff has the next try, with another retry token, wait.
func (u *Instance) putUpdateOff(ctx context.Context, err error) {
	update := &u.Own.Status.Update
	retry := min(lastRetry, FirstRetry<<min(update.Attempt-1, 8))
	problem := access.AsProblem(err)
	*update = infrav1.UpdateStatus{
		Generation: u.Own.Generation, Attempt: update.Attempt, NotBefore: metav1.NewTime(u.Now.Add(retry).Truncate(time.Second)),
		RefusalReason: problem.Reason, Refusal: report.Truncate(problem.Message, 1000),
	}
	ctrl.LoggerFrom(ctx).Info("OCI refuses a change of the instance", "reason", problem.Reason, "again", update.NotBefore.Time)
	u.waitForUpdate()
}

// waitForUpdate says what the update waits for until its time. The other phases go on: the machine
// runs.
func (u *Instance) waitForUpdate() {
	update, left := u.Own.Status.Update, u.Own.Status.Update.NotBefore.Sub(u.Now)
	u.Pass.Requeue(max(time.Second, min(left, u.Pass.Intervals.Poll)))
	if update.Refusal == "" {
		u.Pass.Note(infrav1.UpdatedCondition, infrav1.UpdatingReason, "Waiting for the node to settle after its restart")
		return
	}
	u.Pass.Note(infrav1.UpdatedCondition, update.RefusalReason, "OCI does not change the instance, which runs on as it is: %s; the next try is at %s",
		update.Refusal, update.NotBefore.UTC().Format(time.RFC3339))
}
