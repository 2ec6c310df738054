// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

// OCIMeshClusterTemplateSpec holds a ClusterClass's template of OCIMeshClusters.
type OCIMeshClusterTemplateSpec struct {
	// template of the OCIMeshCluster.
	// +required
	Template OCIMeshClusterTemplateResource `json:"template,omitempty,omitzero"`
}

// OCIMeshClusterTemplateResource is the template of an OCIMeshCluster.
type OCIMeshClusterTemplateResource struct {
	// metadata is put on the OCIMeshCluster.
	// +optional
	ObjectMeta clusterv1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec of the OCIMeshCluster.
	// +required
	Spec OCIMeshClusterSpec `json:"spec,omitempty,omitzero"`
}

// OCIMeshClusterTemplate is used by ClusterClass.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=ocimeshclustertemplates,scope=Namespaced,categories=cluster-api,shortName=omct
// +kubebuilder:storageversion
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
type OCIMeshClusterTemplate struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec of the template.
	// +required
	Spec OCIMeshClusterTemplateSpec `json:"spec,omitempty,omitzero"`
}

// OCIMeshClusterTemplateList is a list of OCIMeshClusterTemplates.
//
// +kubebuilder:object:root=true
type OCIMeshClusterTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OCIMeshClusterTemplate `json:"items"`
}

// OCIMeshMachineTemplateSpec holds the template of machines.
type OCIMeshMachineTemplateSpec struct {
	// template of the OCIMeshMachine.
	// +required
	Template OCIMeshMachineTemplateResource `json:"template,omitempty,omitzero"`
}

// OCIMeshMachineTemplateResource is the template of an OCIMeshMachine.
type OCIMeshMachineTemplateResource struct {
	// metadata is put on the OCIMeshMachine.
	// +optional
	ObjectMeta clusterv1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec of the OCIMeshMachine.
	// +required
	// +kubebuilder:validation:XValidation:rule="!has(self.providerID)",message="a template has no providerID: the provider sets it on each machine"
	Spec OCIMeshMachineSpec `json:"spec,omitempty,omitzero"`
}

// OCIMeshMachineTemplateStatus lets the cluster autoscaler scale from zero.
// +kubebuilder:validation:MinProperties=1
type OCIMeshMachineTemplateStatus struct {
	// conditions tell whether the capacity is known: CapacityKnown.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// capacity of a node of the first shape: cpu and memory.
	// +optional
	Capacity corev1.ResourceList `json:"capacity,omitempty"`

	// nodeInfo of a node of the first shape.
	// +optional
	NodeInfo NodeInfo `json:"nodeInfo,omitempty,omitzero"`
}

// Architecture is a node's processor architecture, in Go's terms.
// +kubebuilder:validation:Enum=amd64;arm64
type Architecture string

const (
	// ArchitectureAmd64 is x86-64.
	ArchitectureAmd64 Architecture = "amd64"
	// ArchitectureArm64 is 64-bit Arm, such as Ampere's.
	ArchitectureArm64 Architecture = "arm64"
)

// NodeInfo describes a future node to the cluster autoscaler.
// +kubebuilder:validation:MinProperties=1
type NodeInfo struct {
	// architecture of the node.
	// +optional
	Architecture Architecture `json:"architecture,omitempty"`

	// operatingSystem of the node, linux.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	OperatingSystem string `json:"operatingSystem,omitempty"`
}

// OCIMeshMachineTemplate is a template of machines, for control planes and MachineDeployments.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=ocimeshmachinetemplates,scope=Namespaced,categories=cluster-api,shortName=ommt
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Shape",type="string",JSONPath=".spec.template.spec.shapes[0].name"
// +kubebuilder:printcolumn:name="CPU",type="string",JSONPath=".status.capacity.cpu"
// +kubebuilder:printcolumn:name="Memory",type="string",JSONPath=".status.capacity.memory"
// +kubebuilder:printcolumn:name="Arch",type="string",JSONPath=".status.nodeInfo.architecture"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
type OCIMeshMachineTemplate struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec of the template.
	// +required
	Spec OCIMeshMachineTemplateSpec `json:"spec,omitempty,omitzero"`

	// status has known facts about machines made from the template.
	// +optional
	Status OCIMeshMachineTemplateStatus `json:"status,omitempty,omitzero"`
}

// OCIMeshMachineTemplateList is a list of OCIMeshMachineTemplates.
//
// +kubebuilder:object:root=true
type OCIMeshMachineTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OCIMeshMachineTemplate `json:"items"`
}

// GetConditions returns the conditions.
func (t *OCIMeshMachineTemplate) GetConditions() []metav1.Condition { return t.Status.Conditions }

// SetConditions replaces the conditions.
func (t *OCIMeshMachineTemplate) SetConditions(conditions []metav1.Condition) {
	t.Status.Conditions = conditions
}
