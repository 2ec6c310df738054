// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	"context"

	"sigs.k8s.io/cluster-api/util"

	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/workload"
)

// awaitMembers tells whether a restart waits for another control plane, and notes it. A
// KubeadmControlPlane looks at the others when it triggers the update, which may have been put off
// for hours. It goes on repairing and removing the others meanwhile, but makes none until the
// update is over: one that is gone is not waited for. The pods that a drain has evicted may come
// back: the other one's may have nowhere else to go.
func (u *Instance) awaitMembers(ctx context.Context) (waits bool, err error) {
	if !util.IsControlPlaneMachine(u.Machine) {
		return false, nil
	}
	controlPlanes, err := workload.ControlPlanes(ctx, u.Client, u.Machine)
	if err != nil {
		return false, err
	}
	missed := workload.Missed(controlPlanes, u.Machine.Name)
	if missed == "" {
		return false, nil
	}
	u.PutOff = true
	updating(u.Pass, u.Pass.Intervals.Poll, "The instance is not restarted for its change in place, since etcd could lose its quorum: %s. "+
		"Waiting for that Machine to be healthy or gone; if it stays so, see its conditions and repair it", missed)
	return true, nil
}
