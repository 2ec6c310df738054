// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	controlplanev1 "sigs.k8s.io/cluster-api/api/controlplane/kubeadm/v1beta2"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
)

// parts are what a KubeadmControlPlane checks before it touches a machine, by the condition of its
// Machines, each with its static pod (checkHealthiness in cluster-api v1.14
// controlplane/kubeadm/reconcilers/kubeadmcontrolplane/preflight.go).
var parts = []struct{ condition, pod string }{
	{controlplanev1.KubeadmControlPlaneMachineAPIServerPodHealthyCondition, "kube-apiserver"},
	{controlplanev1.KubeadmControlPlaneMachineControllerManagerPodHealthyCondition, "kube-controller-manager"},
	{controlplanev1.KubeadmControlPlaneMachineSchedulerPodHealthyCondition, "kube-scheduler"},
	{controlplanev1.KubeadmControlPlaneMachineEtcdPodHealthyCondition, "etcd"},
	{controlplanev1.KubeadmControlPlaneMachineEtcdMemberHealthyCondition, ""},
}

// StaticPods are the components a KubeadmControlPlane looks for on a machine; none on others'.
func StaticPods(machine *clusterv1.Machine) []string {
	var pods []string
	for _, part := range parts {
		if part.pod != "" && conditions.Get(machine, part.condition) != nil {
			pods = append(pods, part.pod)
		}
	}
	return pods
}

// unhealthy is the first condition by which a KubeadmControlPlane takes a machine for unhealthy;
// empty if there is none.
func unhealthy(machine *clusterv1.Machine) string {
	for _, part := range parts {
		if found := conditions.Get(machine, part.condition); found != nil && found.Status != metav1.ConditionTrue {
			return part.condition
		}
	}
	return ""
}
