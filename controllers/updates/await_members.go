// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	"context"
	"fmt"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/workload"
)

// awaitMembers tells whether a restart waits for another control plane, and notes it. A
// KubeadmControlPlane looks at the others when it triggers the update, perhaps hours before. It
// goes on repairing and removing the others meanwhile, but makes none until the update is over: a
// missing one is not waited for. Pods evicted by a drain may come back: the other one's may have
// nowhere else to go.
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
		missed, err = u.isDown(ctx, controlPlanes)
	}
	if err != nil || missed == "" {
		return false, err
	}
	u.PutOff = true
	updating(u.Pass, u.Pass.Intervals.Poll, "The instance is not restarted for its change in place, since the cluster could lose its control plane: %s. "+
		"Waiting for that Machine to be healthy or gone; if it stays so, see its conditions and repair it", missed)
	return true, nil
}

// isDown names another control plane whose instance does not run; empty if there is none. Polls
// show it up to a minute before the KubeadmControlPlane does.
func (u *Instance) isDown(ctx context.Context, controlPlanes []clusterv1.Machine) (string, error) {
	for i := range controlPlanes {
		other := &controlPlanes[i]
		if other.Name == u.Machine.Name {
			continue
		}
		infra := &infrav1.OCIMeshMachine{}
		err := u.Client.Get(ctx, client.ObjectKey{Namespace: other.Namespace, Name: other.Spec.InfrastructureRef.Name}, infra)
		if client.IgnoreNotFound(err) != nil {
			return "", fmt.Errorf("reading the OCIMeshMachine of Machine %s: %w", other.Name, err)
		}
		if state := oci.LifecycleState(infra.Status.Instance.State); state != "" && state != oci.StateRunning {
			return fmt.Sprintf("the instance of Machine %s is %s", other.Name, state), nil
		}
	}
	return "", nil
}
