// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ClaimState is a management cluster's relation to a resource in OCI.
// +kubebuilder:validation:Enum=Held;Pending;Elsewhere
type ClaimState string

const (
	// ClaimHeld means held by this management cluster.
	ClaimHeld ClaimState = "Held"
	// ClaimPending means claimed from another management cluster, while that one may still object:
	// until then nothing is deleted.
	ClaimPending ClaimState = "Pending"
	// ClaimElsewhere means held by another management cluster: nothing is done to it.
	ClaimElsewhere ClaimState = "Elsewhere"
)

// IsPending tells whether a claim has yet to stand. A resource without a state has none to wait
// for.
func (s ClaimState) IsPending() bool {
	switch s {
	case ClaimPending:
		return true
	case ClaimHeld, ClaimElsewhere:
		return false
	}
	return false
}

// IsElsewhere tells whether another management cluster holds the resource.
func (s ClaimState) IsElsewhere() bool {
	switch s {
	case ClaimElsewhere:
		return true
	case ClaimHeld, ClaimPending:
		return false
	}
	return false
}

// ClaimStatus names the management cluster holding a resource in OCI, as far as this one knows. The
// tag ocimesh-held-by tells it.
// +kubebuilder:validation:MinProperties=1
type ClaimStatus struct {
	// managementCluster is the UID of the writing management cluster's namespace kube-system. A
	// backup may bring another's.
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

	// takenFrom is the other management cluster's claim: the UID of its namespace kube-system and a
	// time.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	TakenFrom string `json:"takenFrom,omitempty"`
}
