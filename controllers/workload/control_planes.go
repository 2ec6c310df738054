// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"context"
	"fmt"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// ControlPlanes are those of the Machine's cluster, itself among them if it is one.
func ControlPlanes(ctx context.Context, reader client.Reader, machine *clusterv1.Machine) ([]clusterv1.Machine, error) {
	machines := &clusterv1.MachineList{}
	err := reader.List(ctx, machines, client.InNamespace(machine.Namespace), client.MatchingLabels{clusterv1.ClusterNameLabel: machine.Spec.ClusterName})
	if err != nil {
		return nil, fmt.Errorf("listing the machines of Cluster %s: %w", machine.Spec.ClusterName, err)
	}
	return slices.DeleteFunc(machines.Items, func(m clusterv1.Machine) bool { return !util.IsControlPlaneMachine(&m) }), nil
}

// FirstUnhealthy is the first untrue condition among the control planes, with the Machine's name;
// empty if there is none. Those that come or go do not count.
func FirstUnhealthy(controlPlanes []clusterv1.Machine) string {
	for i := range controlPlanes {
		machine := &controlPlanes[i]
		if !machine.DeletionTimestamp.IsZero() || !machine.Status.NodeRef.IsDefined() {
			continue
		}
		if condition := unhealthy(machine); condition != "" {
			return condition + " of Machine " + machine.Name
		}
	}
	return ""
}

// Missed names a control plane in trouble besides the named one; empty if there is none. It may
// have no member of etcd, or an unhealthy one: without the named one's there may be no quorum.
// Health is as the KubeadmControlPlane saw it last; a repair counts from its beginning, before that
// look shows it.
func Missed(controlPlanes []clusterv1.Machine, besides string) string {
	others := slices.DeleteFunc(slices.Clone(controlPlanes), func(m clusterv1.Machine) bool { return m.Name == besides })
	for i := range others {
		switch other := &others[i]; {
		case !other.DeletionTimestamp.IsZero():
			return fmt.Sprintf("Machine %s is being deleted", other.Name)
		case !other.Status.NodeRef.IsDefined():
			return fmt.Sprintf("Machine %s has no Node yet", other.Name)
		case isRepaired(other):
			return fmt.Sprintf("Machine %s is being repaired, and its OCIMeshRemediation is there until it is healthy", other.Name)
		}
	}
	if unhealthy := FirstUnhealthy(others); unhealthy != "" {
		return unhealthy + " is not True"
	}
	return ""
}

// isRepaired tells whether an OCIMeshRemediation has begun with the Machine, and the Machine was
// not healthy since. A request by hand may outlive the repair.
func isRepaired(machine *clusterv1.Machine) bool {
	told := conditions.Get(machine, clusterv1.MachineExternallyRemediatedCondition)
	if told == nil || told.Status != metav1.ConditionFalse || told.Reason != infrav1.RepairingReason {
		return false
	}
	healthy := conditions.Get(machine, clusterv1.MachineHealthCheckSucceededCondition)
	return healthy == nil || healthy.Status != metav1.ConditionTrue || healthy.LastTransitionTime.Before(&told.LastTransitionTime)
}
