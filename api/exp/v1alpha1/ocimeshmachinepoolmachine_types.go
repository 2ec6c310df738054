// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// OCIMeshMachinePoolMachineFinalizer keeps the object until its instance, its volumes and its
// device are gone.
const OCIMeshMachinePoolMachineFinalizer = "ocimeshmachinepoolmachine.infrastructure.cluster.x-k8s.io"

// OCIMeshMachinePoolMachineSpec names the object's instance.
type OCIMeshMachinePoolMachineSpec struct {
	// providerID is oci:// and the instance's OCID. It names the object's instance and proves
	// nothing: the instance must have the tags of the pool owning the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="providerID is immutable"
	ProviderID string `json:"providerID,omitempty"`
}

// OCIMeshMachinePoolMachineStatus is the observed state of the instance.
// +kubebuilder:validation:MinProperties=1
type OCIMeshMachinePoolMachineStatus struct {
	// conditions tell the instance's state: Ready, InstanceReady, TailnetReady, Paused, Deleting.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// initialization is written once, when the instance runs and is on the tailnet.
	// +optional
	Initialization infrav1.OCIMeshMachineInitializationStatus `json:"initialization,omitempty,omitzero"`

	// addresses of the instance: the tailnet's as InternalIP, a public one as ExternalIP.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Addresses []clusterv1.MachineAddress `json:"addresses,omitempty"`

	// failureDomain of the instance, as placed by OCI, <account>-<ad>.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	FailureDomain string `json:"failureDomain,omitempty"`

	// faultDomain of the instance, as placed by OCI.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	FaultDomain string `json:"faultDomain,omitempty"`

	// availabilityDomain of the instance, as placed and named by OCI.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	AvailabilityDomain string `json:"availabilityDomain,omitempty"`

	// account is the instance's OCIAccount. It is recorded together with the instance, once the
	// instance's tags have proven it to be the pool's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Account string `json:"account,omitempty"`

	// instance is the OCI instance.
	// +optional
	Instance infrav1.InstanceStatus `json:"instance,omitempty,omitzero"`

	// leaving are the data volumes to delete with the instance, recorded before its termination is
	// requested.
	// +optional
	Leaving LeavingStatus `json:"leaving,omitempty,omitzero"`

	// tailnet is the instance's device in the tailnet.
	// +optional
	Tailnet infrav1.TailnetDeviceStatus `json:"tailnet,omitempty,omitzero"`
}

// OCIMeshMachinePoolMachine is one instance of a machine pool. The pool's controller makes it when
// OCI has launched the instance; deleting its Machine removes exactly this instance and makes the
// pool smaller by one.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=ocimeshmachinepoolmachines,scope=Namespaced,categories=cluster-api,shortName=ommpm
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=".status.tailnet.deviceID"
// +kubebuilder:selectablefield:JSONPath=".status.tailnet.hostname"
// +kubebuilder:printcolumn:name="Cluster",type="string",JSONPath=".metadata.labels['cluster\\.x-k8s\\.io/cluster-name']"
// +kubebuilder:printcolumn:name="Pool",type="string",JSONPath=".metadata.labels['cluster\\.x-k8s\\.io/pool-name']"
// +kubebuilder:printcolumn:name="State",type="string",JSONPath=".status.instance.state"
// +kubebuilder:printcolumn:name="Address",type="string",JSONPath=".status.tailnet.addresses[0]"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Fault Domain",type="string",priority=1,JSONPath=".status.faultDomain"
// +kubebuilder:printcolumn:name="ProviderID",type="string",priority=1,JSONPath=".spec.providerID"
// +kubebuilder:printcolumn:name="Message",type="string",priority=1,JSONPath=".status.conditions[?(@.type=='Ready')].message"
type OCIMeshMachinePoolMachine struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec names the object's instance.
	// +required
	Spec OCIMeshMachinePoolMachineSpec `json:"spec,omitempty,omitzero"`

	// status is the observed state of the instance.
	// +optional
	Status OCIMeshMachinePoolMachineStatus `json:"status,omitempty,omitzero"`
}

// OCIMeshMachinePoolMachineList is a list of OCIMeshMachinePoolMachines.
//
// +kubebuilder:object:root=true
type OCIMeshMachinePoolMachineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OCIMeshMachinePoolMachine `json:"items"`
}

// GetConditions returns the conditions.
func (m *OCIMeshMachinePoolMachine) GetConditions() []metav1.Condition { return m.Status.Conditions }

// GetTailnetDevice returns the record of the object's device in a tailnet.
func (m *OCIMeshMachinePoolMachine) GetTailnetDevice() infrav1.TailnetDeviceStatus {
	return m.Status.Tailnet
}

// SetConditions replaces the conditions.
func (m *OCIMeshMachinePoolMachine) SetConditions(conditions []metav1.Condition) {
	m.Status.Conditions = conditions
}
