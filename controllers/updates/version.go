// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package updates

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// HasVersion tells whether a machine's node was made with its Machine's version of Kubernetes, or
// brought to it in place. If so, an update changes no version, and ends whatever kubelet says: an
// image or somebody's hands may have brought another one.
func HasVersion(own *infrav1.OCIMeshMachine, machine *clusterv1.Machine) bool {
	return own.Status.KubernetesVersion == machine.Spec.Version
}

// RecordVersion notes the version that a machine's node was made with, unless the machine is being
// updated: the Machine may have the next one by then. Cluster API marks a Machine before it changes
// its version (inplace_trigger.go of its kubeadm control plane, machineset_controller.go).
func RecordVersion(own *infrav1.OCIMeshMachine, machine *clusterv1.Machine) {
	if own.Status.KubernetesVersion == "" && !isMarked(own) && !isMarked(machine) {
		own.Status.KubernetesVersion = machine.Spec.Version
	}
}

// isMarked tells whether Cluster API updates the object's machine in place.
func isMarked(object metav1.Object) bool {
	_, marked := object.GetAnnotations()[clusterv1.UpdateInProgressAnnotation]
	return marked
}
