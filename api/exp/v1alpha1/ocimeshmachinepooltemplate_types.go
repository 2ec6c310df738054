// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

// OCIMeshMachinePoolTemplateSpec holds a ClusterClass's template of OCIMeshMachinePools.
type OCIMeshMachinePoolTemplateSpec struct {
	// template of the OCIMeshMachinePool.
	// +required
	Template OCIMeshMachinePoolTemplateResource `json:"template,omitempty,omitzero"`
}

// OCIMeshMachinePoolTemplateResource is the template of an OCIMeshMachinePool.
type OCIMeshMachinePoolTemplateResource struct {
	// metadata is put on the OCIMeshMachinePool.
	// +optional
	ObjectMeta clusterv1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec of the OCIMeshMachinePool.
	// +required
	// +kubebuilder:validation:XValidation:rule="!has(self.providerIDList)",message="providerIDList cannot be set in a template: it names the instances of one pool"
	Spec OCIMeshMachinePoolSpec `json:"spec,omitempty,omitzero"`
}

// OCIMeshMachinePoolTemplate is used by ClusterClass.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=ocimeshmachinepooltemplates,scope=Namespaced,categories=cluster-api,shortName=ommpt
// +kubebuilder:storageversion
// +kubebuilder:printcolumn:name="Account",type="string",JSONPath=".spec.template.spec.account"
// +kubebuilder:printcolumn:name="Shape",type="string",JSONPath=".spec.template.spec.shape.name"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
type OCIMeshMachinePoolTemplate struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec of the template.
	// +required
	Spec OCIMeshMachinePoolTemplateSpec `json:"spec,omitempty,omitzero"`
}

// OCIMeshMachinePoolTemplateList is a list of OCIMeshMachinePoolTemplates.
//
// +kubebuilder:object:root=true
type OCIMeshMachinePoolTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OCIMeshMachinePoolTemplate `json:"items"`
}
