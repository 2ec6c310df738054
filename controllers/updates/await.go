// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// awaitRunning waits for an instance to be RUNNING. One STOPPED by no restart of ours was stopped
// by somebody: the pass goes on to its start, and what was begun of the update is begun again
// afterwards. A restart passes through STOPPED, for less time than a node has to settle.
func (u *Instance) awaitRunning(state oci.LifecycleState) {
	update := &u.Own.Status.Update
	updating(u.Pass, u.Pass.Intervals.Progress, "Waiting for the instance, which is %s, to be RUNNING", state)
	settles := metav1.NewTime(u.Now.Add(u.SettleTime).Truncate(time.Second))
	switch {
	case state == oci.StateStopped && !IsRestarting(*update):
		return
	case state == oci.StateStopped && update.NotBefore.IsZero():
		update.NotBefore = settles
	case state == oci.StateStopped && !u.Now.Before(update.NotBefore.Time):
		*update = infrav1.UpdateStatus{Generation: update.Generation, Attempt: update.Attempt}
		return
	case state != oci.StateStopped && update.Step == "" && update.Refusal == "":
		u.settleUpdate()
	}
	u.Pass.Stop()
}

// settleAfterStart gives the node its time after a start that ended no step of ours: it may look
// Ready as it did before the stop.
func (u *Instance) settleAfterStart() {
	update := u.Own.Status.Update
	wasDown := u.Before == oci.StateStopping || u.Before == oci.StateStopped || u.Before == oci.StateStarting
	if wasDown && update.Step == "" && update.Refusal == "" {
		u.settleUpdate()
	}
}
