// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

// OCIMeshRemediationFinalizer keeps a request until the Machine no longer says that it is being
// repaired.
const OCIMeshRemediationFinalizer = "ocimeshremediation.infrastructure.cluster.x-k8s.io"

// RemediationAction is something to try with an instance before its machine is replaced.
// +kubebuilder:validation:Enum=Start;SoftReset;Reset
type RemediationAction string

const (
	// RemediationStart starts a stopped instance.
	RemediationStart RemediationAction = "Start"
	// RemediationSoftReset has the operating system of a running instance reboot. OCI powers it off
	// and on if it has not shut down within 15 minutes.
	RemediationSoftReset RemediationAction = "SoftReset"
	// RemediationReset powers a running instance off and on.
	RemediationReset RemediationAction = "Reset"
)

// Resets tells whether the action restarts an instance that runs.
func (a RemediationAction) Resets() bool {
	switch a {
	case RemediationSoftReset, RemediationReset:
		return true
	case RemediationStart:
		return false
	}
	return false
}

// RemediationStep is an action, with the patience for it.
type RemediationStep struct {
	// action to take. Start is for a stopped instance, SoftReset and Reset are for a running one.
	// +required
	Action RemediationAction `json:"action,omitempty"`

	// tries is how often the action is taken at most.
	// +optional
	// +default=1
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	Tries int32 `json:"tries,omitempty"`

	// timeoutSeconds is how long the machine has to become healthy after a try.
	// +optional
	// +default=600
	// +kubebuilder:default=600
	// +kubebuilder:validation:Minimum=30
	// +kubebuilder:validation:Maximum=86400
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`
}

// OCIMeshRemediationSpec says what is tried with an unhealthy machine before its owner replaces it.
type OCIMeshRemediationSpec struct {
	// steps in their order. One that does not suit the instance's state is passed over; once none
	// is left, the Machine's owner is asked to replace it. An instance that is gone is replaced at
	// once.
	// +optional
	// +listType=atomic
	// +kubebuilder:default={{action: Start, tries: 2, timeoutSeconds: 600},{action: SoftReset, tries: 1, timeoutSeconds: 1200},{action: Reset, tries: 2, timeoutSeconds: 600}}
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, b.action == a.action))",message="an action can be one step only: give it more tries instead"
	Steps []RemediationStep `json:"steps,omitempty"`
}

// RemediationAttempt is one try of an action.
type RemediationAttempt struct {
	// action that was taken.
	// +required
	Action RemediationAction `json:"action,omitempty"`

	// decidedAt is when the try was decided. Its time-out counts from here.
	// +required
	DecidedAt metav1.Time `json:"decidedAt,omitempty,omitzero"`

	// sentAt is when OCI took the action; empty before, and if OCI never took it.
	// +optional
	SentAt metav1.Time `json:"sentAt,omitempty,omitzero"`
}

// OCIMeshRemediationStatus is what was tried so far.
// +kubebuilder:validation:MinProperties=1
type OCIMeshRemediationStatus struct {
	// conditions tell the remediation's state: Ready, Remediated, Paused.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// attempts are the tries, in their order. Each is recorded before it is made.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Attempts []RemediationAttempt `json:"attempts,omitempty"`
}

// OCIMeshRemediation is a request to repair one machine. A MachineHealthCheck makes it from an
// OCIMeshRemediationTemplate, under the name of the unhealthy Machine, and deletes it once the
// machine is healthy.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=ocimeshremediations,scope=Namespaced,categories=cluster-api,shortName=omr
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Cluster",type="string",JSONPath=".metadata.labels['cluster\\.x-k8s\\.io/cluster-name']"
// +kubebuilder:printcolumn:name="Action",type="string",JSONPath=".status.attempts[-1:].action"
// +kubebuilder:printcolumn:name="Taken",type="date",JSONPath=".status.attempts[-1:].decidedAt"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Message",type="string",priority=1,JSONPath=".status.conditions[?(@.type=='Ready')].message"
type OCIMeshRemediation struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is what is tried.
	// +optional
	// +kubebuilder:default={}
	Spec OCIMeshRemediationSpec `json:"spec,omitempty,omitzero"`

	// status is what was tried so far.
	// +optional
	Status OCIMeshRemediationStatus `json:"status,omitempty,omitzero"`
}

// OCIMeshRemediationList is a list of OCIMeshRemediations.
//
// +kubebuilder:object:root=true
type OCIMeshRemediationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OCIMeshRemediation `json:"items"`
}

// GetConditions returns the conditions.
func (r *OCIMeshRemediation) GetConditions() []metav1.Condition { return r.Status.Conditions }

// SetConditions replaces the conditions.
func (r *OCIMeshRemediation) SetConditions(conditions []metav1.Condition) {
	r.Status.Conditions = conditions
}

// OCIMeshRemediationTemplateSpec holds the template of requests.
type OCIMeshRemediationTemplateSpec struct {
	// template of the OCIMeshRemediation.
	// +optional
	// +kubebuilder:default={}
	Template OCIMeshRemediationTemplateResource `json:"template,omitempty,omitzero"`
}

// OCIMeshRemediationTemplateResource is the template of an OCIMeshRemediation.
type OCIMeshRemediationTemplateResource struct {
	// metadata is put on the OCIMeshRemediation.
	// +optional
	ObjectMeta clusterv1.ObjectMeta `json:"metadata,omitempty,omitzero"`

	// spec of the OCIMeshRemediation.
	// +optional
	// +kubebuilder:default={}
	Spec OCIMeshRemediationSpec `json:"spec,omitempty,omitzero"`
}

// OCIMeshRemediationTemplate is named by MachineHealthChecks: what is tried with a machine of
// theirs before it is replaced.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=ocimeshremediationtemplates,scope=Namespaced,categories=cluster-api,shortName=omrt
// +kubebuilder:storageversion
// +kubebuilder:printcolumn:name="First",type="string",JSONPath=".spec.template.spec.steps[0].action"
// +kubebuilder:printcolumn:name="Second",type="string",JSONPath=".spec.template.spec.steps[1].action"
// +kubebuilder:printcolumn:name="Third",type="string",JSONPath=".spec.template.spec.steps[2].action"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
type OCIMeshRemediationTemplate struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec of the template.
	// +optional
	// +kubebuilder:default={}
	Spec OCIMeshRemediationTemplateSpec `json:"spec,omitempty,omitzero"`
}

// OCIMeshRemediationTemplateList is a list of OCIMeshRemediationTemplates.
//
// +kubebuilder:object:root=true
type OCIMeshRemediationTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OCIMeshRemediationTemplate `json:"items"`
}
