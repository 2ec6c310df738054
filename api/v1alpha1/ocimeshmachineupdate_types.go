// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// UpdateStep is what an instance is asked for in a change in place.
// +kubebuilder:validation:Enum=Resize;Restart;Grow
type UpdateStep string

const (
	// UpdateResize gives the instance other OCPUs or memory. OCI restarts it for that.
	UpdateResize UpdateStep = "Resize"
	// UpdateRestart restarts the instance, so that it sees its grown boot volume.
	UpdateRestart UpdateStep = "Restart"
	// UpdateGrow makes volumes larger while the instance runs. It ends once the Node says that the
	// file systems fill them.
	UpdateGrow UpdateStep = "Grow"
)

// Resizes tells whether the step gives the instance another size. The zero step is none.
func (s UpdateStep) Resizes() bool {
	switch s {
	case UpdateResize:
		return true
	case UpdateRestart, UpdateGrow:
		return false
	}
	return false
}

// Grows tells whether the step makes volumes larger while the instance runs.
func (s UpdateStep) Grows() bool {
	switch s {
	case UpdateGrow:
		return true
	case UpdateResize, UpdateRestart:
		return false
	}
	return false
}

// UpdateStatus is a change of an instance in place. It is written before OCI is asked for anything,
// so a manager that starts again goes on with it.
// +kubebuilder:validation:MinProperties=1
type UpdateStatus struct {
	// step is what OCI is asked for; absent if nothing is to be done, and while the node settles.
	// +optional
	Step UpdateStep `json:"step,omitempty"`

	// generation of the spec that the step is for: another one is tried at once.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Generation int64 `json:"generation,omitempty"`

	// attempt counts the requests, from 1. A request's retry token is made of it.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Attempt int32 `json:"attempt,omitempty"`

	// workRequestID is the OCID of OCI's work request for the step, once it is accepted.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	WorkRequestID string `json:"workRequestID,omitempty"`

	// notBefore is when the change goes on: after a refusal with the next try, after a restart with
	// its end.
	// +optional
	NotBefore metav1.Time `json:"notBefore,omitempty,omitzero"`

	// refusal is why OCI did not do the step at the last try.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Refusal string `json:"refusal,omitempty"`

	// refusalReason is the refusal as a condition's reason.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	RefusalReason string `json:"refusalReason,omitempty"`
}

// DrainStatus is the drain of the machine's Node before its change in place. It is written before
// the Node is cordoned, and dropped once the Node is uncordoned.
type DrainStatus struct {
	// node is the Node's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Node string `json:"node,omitempty"`

	// startedAt is when the drain began. Its time counts from here.
	// +required
	StartedAt metav1.Time `json:"startedAt,omitempty,omitzero"`

	// endedAt is when the drain ended: with its pods gone, by its time, or as it began because no
	// other node can take them.
	// +optional
	EndedAt metav1.Time `json:"endedAt,omitempty,omitzero"`

	// message says why the Node was not drained, or not to the end.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// MachineSizeStatus is a size that the budget of the machine's account has room for. What is
// missing in it is the spec's.
// +kubebuilder:validation:MinProperties=1
type MachineSizeStatus struct {
	// ocpus of the instance, if its shape is flexible.
	// +optional
	// +kubebuilder:validation:Minimum=1
	OCPUs int32 `json:"ocpus,omitempty"`

	// memoryGB of the instance, if its shape is flexible.
	// +optional
	// +kubebuilder:validation:Minimum=1
	MemoryGB int32 `json:"memoryGB,omitempty"`

	// bootVolumeGB is the boot volume's size.
	// +optional
	// +kubebuilder:validation:Minimum=1
	BootVolumeGB int32 `json:"bootVolumeGB,omitempty"`

	// dataVolumesGB is the size of all data volumes together.
	// +optional
	// +kubebuilder:validation:Minimum=1
	DataVolumesGB int32 `json:"dataVolumesGB,omitempty"`
}
