// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ClaimState is how a management cluster stands to something in OCI.
// +kubebuilder:validation:Enum=Held;Pending;Elsewhere
type ClaimState string

const (
	// ClaimHeld says that this management cluster holds it.
	ClaimHeld ClaimState = "Held"
	// ClaimPending says that this management cluster claims it from another, which may still mind:
	// until then nothing is ended.
	ClaimPending ClaimState = "Pending"
	// ClaimElsewhere says that another management cluster holds it: nothing is done to it.
	ClaimElsewhere ClaimState = "Elsewhere"
)

// ClaimStatus tells which management cluster holds something in OCI, as far as this one knows. It
// is told by the tag ocimesh-held-by.
// +kubebuilder:validation:MinProperties=1
type ClaimStatus struct {
	// managementCluster is the UID of the namespace kube-system of the management cluster that
	// wrote this. A backup may bring another's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ManagementCluster string `json:"managementCluster,omitempty"`

	// state is Held, Pending or Elsewhere.
	// +optional
	State ClaimState `json:"state,omitempty"`

	// takenAt is when it was claimed from another management cluster.
	// +optional
	TakenAt metav1.Time `json:"takenAt,omitempty,omitzero"`

	// takenFrom is the claim of that management cluster: the UID of its namespace kube-system and a
	// time.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	TakenFrom string `json:"takenFrom,omitempty"`
}
