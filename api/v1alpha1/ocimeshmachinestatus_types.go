// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

// OCIMeshMachineStatus is the observed state of the machine. All of it can be found again by tags.
// +kubebuilder:validation:MinProperties=1
type OCIMeshMachineStatus struct {
	// conditions tell the machine's state: Ready, Placed, InstanceReady, TailnetReady,
	// LoadBalancerReady, Updated, Paused, Deleting.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// initialization is written once, when the machine runs and is on the tailnet.
	// +optional
	Initialization OCIMeshMachineInitializationStatus `json:"initialization,omitempty,omitzero"`

	// addresses of the machine: the tailnet's as InternalIP, a public one as ExternalIP.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Addresses []clusterv1.MachineAddress `json:"addresses,omitempty"`

	// failureDomain of the machine, <account>-<ad>.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	FailureDomain string `json:"failureDomain,omitempty"`

	// placement is the decision where to launch. It is written before the launch, so a restart
	// repeats it.
	// +optional
	Placement Placement `json:"placement,omitempty,omitzero"`

	// size is what the machine counts for in its account's budget. A larger one is written after
	// the budget was asked, and before OCI is.
	// +optional
	Size MachineSizeStatus `json:"size,omitempty,omitzero"`

	// shortages are the places without room for this machine, each left out until its time.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Shortages []Shortage `json:"shortages,omitempty"`

	// instance is the OCI instance.
	// +optional
	Instance InstanceStatus `json:"instance,omitempty,omitzero"`

	// stop is the last stop of the instance that this provider did not ask for. It is dropped a day
	// after the instance runs again.
	// +optional
	Stop StopStatus `json:"stop,omitempty,omitzero"`

	// console is what the node said last on its serial console, while it is late.
	// +optional
	Console ConsoleStatus `json:"console,omitempty,omitzero"`

	// tailnet is the machine's device in the tailnet.
	// +optional
	Tailnet TailnetDeviceStatus `json:"tailnet,omitempty,omitzero"`

	// leaving are the instances to terminate and the data volumes to delete with them, recorded
	// before the termination is requested: volumes detached by then stay.
	// +optional
	Leaving LeavingStatus `json:"leaving,omitempty,omitzero"`

	// backend is a control plane's part in the cluster's load balancer, if there is one.
	// +optional
	Backend BackendStatus `json:"backend,omitempty,omitzero"`

	// claim names the management cluster holding the instance.
	// +optional
	Claim ClaimStatus `json:"claim,omitempty,omitzero"`

	// tagNames are the names of spec.tags that are on the instance: one that leaves the spec leaves
	// the instance too.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=5
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=100
	TagNames []string `json:"tagNames,omitempty"`

	// kubernetesVersion is the Machine's version that the node was made with, or last brought to in
	// place. An update that wants the same leaves kubelet as it is, whatever runs.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`

	// update is the instance's change in place, while there is one.
	// +optional
	Update UpdateStatus `json:"update,omitempty,omitzero"`

	// drain is the drain of the Node before the change in place, until the Node is uncordoned.
	// +optional
	Drain DrainStatus `json:"drain,omitempty,omitzero"`
}

// LeavingStatus are instances to terminate, and the volumes to delete with them.
// +kubebuilder:validation:MinProperties=1
type LeavingStatus struct {
	// instanceIDs are the OCIDs of the instances.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	InstanceIDs []string `json:"instanceIDs,omitempty"`

	// volumeIDs are the OCIDs of the data volumes.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=512
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	VolumeIDs []string `json:"volumeIDs,omitempty"`
}

// BackendStatus is a control plane's part in the cluster's load balancer.
// +kubebuilder:validation:MinProperties=1
type BackendStatus struct {
	// name of the backend in the load balancer, once it was seen there.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Name string `json:"name,omitempty"`

	// workRequestID is the OCID of OCI's work request for the last change, until its end was seen.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	WorkRequestID string `json:"workRequestID,omitempty"`
}

// OCIMeshMachineInitializationStatus is the machine's initialization, as the Cluster API contract
// names it.
// +kubebuilder:validation:MinProperties=1
type OCIMeshMachineInitializationStatus struct {
	// provisioned is true once the machine runs and is on the tailnet.
	// +optional
	Provisioned *bool `json:"provisioned,omitempty"`
}

// IsProvisioned tells whether Cluster API was told that the machine is there.
func (s OCIMeshMachineInitializationStatus) IsProvisioned() bool {
	return s.Provisioned != nil && *s.Provisioned
}

// Placement is where a machine is launched.
type Placement struct {
	// attempt counts the decisions, from 1. The launch's retry token is made of it and the
	// machine's UID.
	// +required
	// +kubebuilder:validation:Minimum=1
	Attempt int32 `json:"attempt,omitempty"`

	// account is the OCIAccount's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Account string `json:"account,omitempty"`

	// availabilityDomain is OCI's name of it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	AvailabilityDomain string `json:"availabilityDomain,omitempty"`

	// faultDomain is OCI's name of it; empty leaves the choice to OCI.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	FaultDomain string `json:"faultDomain,omitempty"`

	// shape is the shape's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Shape string `json:"shape,omitempty"`

	// imageID is the image's OCID in the account.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	ImageID string `json:"imageID,omitempty"`

	// reason is why this place was chosen.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Reason string `json:"reason,omitempty"`
}

// Shortage is a place without room, or, of a machine, one whose account refused its launch.
type Shortage struct {
	// account is the OCIAccount's name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Account string `json:"account,omitempty"`

	// availabilityDomain is OCI's name of it; empty stands for all of the account's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	AvailabilityDomain string `json:"availabilityDomain,omitempty"`

	// faultDomain is OCI's name of it; empty stands for all of the availability domain's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	FaultDomain string `json:"faultDomain,omitempty"`

	// shape is the shape's name; empty stands for all.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Shape string `json:"shape,omitempty"`

	// reason is OutOfCapacity, LimitExceeded or QuotaExceeded; of a refused launch InvalidRequest,
	// NotFoundOrUnauthorized, RelatedNotFoundOrUnauthorized, ExistsOrUnauthorized, Unauthenticated,
	// Forbidden, Conflict or Unknown.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message is what OCI said when it refused a launch; empty for a place without room.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// count is how often in a row this happened in the place; each time doubles the time it is left
	// out.
	// +required
	// +kubebuilder:validation:Minimum=1
	Count int32 `json:"count,omitempty"`

	// until is when the place may be tried again.
	// +required
	Until metav1.Time `json:"until,omitempty,omitzero"`
}

// InstanceStatus is the OCI instance.
type InstanceStatus struct {
	// id is the instance's OCID.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	ID string `json:"id,omitempty"`

	// state is OCI's life-cycle state, such as RUNNING. A new instance is PROVISIONING until it is
	// RUNNING.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	State string `json:"state,omitempty"`

	// privateIP is the address in the subnet.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	PrivateIP string `json:"privateIP,omitempty"`

	// publicIP is the public address, if any.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	PublicIP string `json:"publicIP,omitempty"`
}

// StopStatus is a stop of the instance that this provider did not ask for.
type StopStatus struct {
	// seenAt is when the instance was first seen STOPPED.
	// +required
	SeenAt metav1.Time `json:"seenAt,omitempty,omitzero"`

	// starts is how often this provider has asked OCI to start it again. Stops within an hour of a
	// start count on, and each start waits longer than the one before.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Starts int32 `json:"starts,omitempty"`

	// startedAt is when it last did.
	// +optional
	StartedAt metav1.Time `json:"startedAt,omitempty,omitzero"`

	// refusal is why OCI did not start it then; absent if it did.
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

// ConsoleStatus is a look at the node's serial console by OCI's console histories.
type ConsoleStatus struct {
	// capturedAt is when the last capture was asked for.
	// +required
	CapturedAt metav1.Time `json:"capturedAt,omitempty,omitzero"`

	// historyID is the OCID of the capture, until it is read and deleted.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	HistoryID string `json:"historyID,omitempty"`

	// message has the last lines on the console that begin with capom, without what may be secret,
	// or says why there are none.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// TailnetDeviceStatus is the machine's device in the tailnet.
// +kubebuilder:validation:MinProperties=1
type TailnetDeviceStatus struct {
	// name of the Tailnet with the key and the device: their ids are no other tailnet's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// keyID is the id of the machine's key for joining; the key itself is in no status.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	KeyID string `json:"keyID,omitempty"`

	// keyExpires is when the key expires.
	// +optional
	KeyExpires metav1.Time `json:"keyExpires,omitempty,omitzero"`

	// hostname is the machine's in the tailnet, unique by a part of the machine's UID.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Hostname string `json:"hostname,omitempty"`

	// deviceID is the device's id. Once it is recorded, no other device is taken for the machine's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	DeviceID string `json:"deviceID,omitempty"`

	// deviceCreated is when the coordination server made the device, by its API and its clock, in
	// whole seconds: a device of the id with another one is not the machine's. Absent if it was
	// recorded by a version without this field and not looked at since.
	// +optional
	DeviceCreated metav1.Time `json:"deviceCreated,omitempty,omitzero"`

	// addresses of the device, IPv4 first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	Addresses []string `json:"addresses,omitempty"`
}

// HasVersions tells whether the source gives tailscale in a version that the spec may name.
func (s TailscaleSource) HasVersions() bool {
	switch s {
	case TailscalePackages:
		return true
	case TailscaleMirror, TailscalePreinstalled:
	}
	return false
}
