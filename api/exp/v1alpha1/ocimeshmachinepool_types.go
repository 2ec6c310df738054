// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// OCIMeshMachinePoolFinalizer keeps a machine pool until its instance pool, instances, volumes,
// configurations, devices and keys are gone.
const OCIMeshMachinePoolFinalizer = "ocimeshmachinepool.infrastructure.cluster.x-k8s.io"

// OCIMeshMachinePoolSpec describes the pool's instances and their account. Changes apply to new
// instances: existing ones stay as they are until their Machines are deleted.
// +kubebuilder:validation:XValidation:rule="!has(self.dataVolumes) || self.dataVolumes.size() == 0 || !self.shape.name.startsWith('BM.')",message="bare metal takes no dataVolumes: they are attached paravirtualized, which OCI has for virtual machines only; use shapes that start with VM., a larger bootVolume, or volumes of a CSI driver"
// +kubebuilder:validation:XValidation:rule="!has(self.bootVolume) || !has(self.bootVolume.vpusPerGB) || self.bootVolume.vpusPerGB <= 20 || !self.shape.name.startsWith('BM.')",message="OCI gives boot volumes of bare metal at most 20 vpusPerGB: use 10 or 20"
type OCIMeshMachinePoolSpec struct {
	// providerIDList is written by the provider: the provider ID of each instance of the pool.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10000
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=512
	ProviderIDList []string `json:"providerIDList,omitempty"`

	// account is the pool's OCIAccount: an instance pool cannot span accounts. It must be one of
	// the cluster's.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Account string `json:"account,omitempty"`

	// faultDomains that instances are spread evenly over, as OCI names them, in each availability
	// domain: the pool does not grow while one of them has no room. When it is absent, OCI spreads
	// over all as they have room. Availability domains are the MachinePool's failureDomains, or all
	// of the account's.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	FaultDomains []string `json:"faultDomains,omitempty"`

	// shape of the instances.
	// +required
	Shape infrav1.Shape `json:"shape,omitempty,omitzero"`

	// image of boot volumes.
	// +required
	Image infrav1.Image `json:"image,omitempty,omitzero"`

	// bootVolume is the boot volume's size and performance; the image's own when it is absent.
	// +optional
	BootVolume infrav1.BootVolume `json:"bootVolume,omitempty,omitzero"`

	// dataVolumes are made with each instance, mounted at first boot and deleted with it.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, b.mountPath == a.mountPath))",message="two data volumes cannot have the same mountPath"
	DataVolumes []infrav1.DataVolume `json:"dataVolumes,omitempty"`

	// bootstrap says whether containerd, kubelet and kubeadm are in the image or installed at first
	// boot.
	// +optional
	// +default="Install"
	// +kubebuilder:default=Install
	Bootstrap infrav1.BootstrapMode `json:"bootstrap,omitempty"`

	// tailscale is the source and the version of tailscale.
	// +optional
	// +kubebuilder:default={source: Packages}
	Tailscale infrav1.Tailscale `json:"tailscale,omitempty,omitzero"`

	// sshAuthorizedKeys are let in for the image's default user. Nothing in this provider needs
	// them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=2048
	SSHAuthorizedKeys []string `json:"sshAuthorizedKeys,omitempty"`

	// preemptible cannot be true: OCI has no preemptible instances in instance pools. Use a
	// MachineDeployment for them.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!self",message="OCI has no preemptible instances in instance pools: leave preemptible out, or use a MachineDeployment"
	Preemptible *bool `json:"preemptible,omitempty"`

	// tags are freeform tags of the instances. Names starting with ocimesh- are the provider's, and
	// names starting with oci: are OCI's. OCI allows 10 in all; the provider sets 4 and the claim
	// of the instance pool, and instance pools set up to 3.
	// +optional
	// +kubebuilder:validation:MaxProperties=2
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('ocimesh-') && !k.startsWith('oci:'))",message="tags that start with ocimesh- are the provider's own, and those that start with oci: are OCI's"
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) > 0 && size(k) <= 100 && size(self[k]) <= 256)",message="names of tags have 1 to 100 characters and values at most 256"
	Tags map[string]string `json:"tags,omitempty"`
}

// OCIMeshMachinePoolStatus is the observed state of the pool. All of it can be found again by tags.
// +kubebuilder:validation:MinProperties=1
type OCIMeshMachinePoolStatus struct {
	// conditions tell the pool's state: Ready, ConfigurationReady, PoolReady, InstancesReady,
	// Paused, Deleting.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// ready is for Cluster API 1.14: it reads this in place of initialization.provisioned.
	// +optional
	Ready *bool `json:"ready,omitempty"`

	// initialization is written once, when the pool exists and its first instance has joined, or
	// none is wanted.
	// +optional
	Initialization OCIMeshMachinePoolInitializationStatus `json:"initialization,omitempty,omitzero"`

	// replicas is the number of the pool's instances, except those being deleted.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Replicas *int32 `json:"replicas,omitempty"`

	// infrastructureMachineKind is the kind of the objects for the pool's instances.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	InfrastructureMachineKind string `json:"infrastructureMachineKind,omitempty"`

	// capacity of a node of the shape: cpu and memory. The cluster autoscaler scales from zero by
	// it.
	// +optional
	Capacity corev1.ResourceList `json:"capacity,omitempty"`

	// nodeInfo of a node of the shape.
	// +optional
	NodeInfo infrav1.NodeInfo `json:"nodeInfo,omitempty,omitzero"`

	// pool is the OCI instance pool.
	// +optional
	Pool InstancePoolStatus `json:"pool,omitempty,omitzero"`

	// configuration is the instance configuration for new instances.
	// +optional
	Configuration InstanceConfigurationStatus `json:"configuration,omitempty,omitzero"`

	// granted is what the budget of the pool's account has room for, and what instances are
	// launched as. A larger one is written after the budget was asked, and before OCI is.
	// +optional
	Granted GrantedStatus `json:"granted,omitempty,omitzero"`

	// claim tells which management cluster holds the instance pool, and with it the pool's
	// instances and configurations.
	// +optional
	Claim infrav1.ClaimStatus `json:"claim,omitempty,omitzero"` //nolint:kubeapilinter // The type asks for a property, in a package that the linter does not read.

	// instances of the pool, by name.
	// +optional
	// +listType=map
	// +listMapKey=instanceName
	// +kubebuilder:validation:MaxItems=1000
	Instances []PoolInstanceStatus `json:"instances,omitempty"`

	// leaving are the data volumes to delete with the pool's instances, recorded before the pool's
	// termination is requested.
	// +optional
	Leaving LeavingStatus `json:"leaving,omitempty,omitzero"`
}

// LeavingStatus are the data volumes to delete with terminated instances: those attached to them
// when it was recorded. Volumes detached by then stay.
type LeavingStatus struct {
	// recordedAt is when the attachments were read.
	// +required
	RecordedAt metav1.Time `json:"recordedAt,omitempty,omitzero"`

	// volumeIDs are the OCIDs of the volumes.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=10000
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	VolumeIDs []string `json:"volumeIDs,omitempty"`
}

// OCIMeshMachinePoolInitializationStatus is the pool's initialization, as the Cluster API contract
// names it.
// +kubebuilder:validation:MinProperties=1
type OCIMeshMachinePoolInitializationStatus struct {
	// provisioned is true once the pool exists and its first instance has joined, or none is
	// wanted.
	// +optional
	Provisioned *bool `json:"provisioned,omitempty"`
}

// InstancePoolStatus is the OCI instance pool.
// +kubebuilder:validation:MinProperties=1
type InstancePoolStatus struct {
	// id is the instance pool's OCID.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	ID string `json:"id,omitempty"`

	// state is OCI's life-cycle state, such as RUNNING or SCALING.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	State string `json:"state,omitempty"`

	// size is the number of instances requested from OCI.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Size *int32 `json:"size,omitempty"`

	// attempt counts the instance pools made so far, from 1. The creation's retry token is made of
	// it and the object's UID.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Attempt int32 `json:"attempt,omitempty"`

	// sized says that the instance pool, which is made empty, was given a size. From then on the
	// size is OCI's if the MachinePool has cluster.x-k8s.io/replicas-managed-by.
	// +optional
	Sized *bool `json:"sized,omitempty"`

	// spread says that OCI was last told of no fault domains, so that it launches in those with
	// room. It may show all of them then, as it does if all are named.
	// +optional
	Spread *bool `json:"spread,omitempty"`
}

// GrantedStatus are the parts of the spec that say how large an instance is, and the image that
// goes with them.
type GrantedStatus struct {
	// shape of the instances.
	// +required
	Shape infrav1.Shape `json:"shape,omitempty,omitzero"`

	// image of boot volumes.
	// +required
	Image infrav1.Image `json:"image,omitempty,omitzero"`

	// bootVolume is the boot volume's size and performance.
	// +optional
	BootVolume infrav1.BootVolume `json:"bootVolume,omitempty,omitzero"`

	// dataVolumes are made with each instance.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	DataVolumes []infrav1.DataVolume `json:"dataVolumes,omitempty"`
}

// InstanceConfigurationStatus is an OCI instance configuration and the tailnet key in it.
// +kubebuilder:validation:MinProperties=1
type InstanceConfigurationStatus struct {
	// id is the instance configuration's OCID.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	ID string `json:"id,omitempty"`

	// digest of the whole content of the instance configuration. A new configuration is made when
	// it changes, and only then. Absent once the configuration is given up with its key, at size 0.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest,omitempty"`

	// keyID is the id of the instances' reusable key for joining the tailnet; the key itself is in
	// no status.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	KeyID string `json:"keyID,omitempty"`

	// keyExpires is when the key expires; another one takes its place long before.
	// +optional
	KeyExpires metav1.Time `json:"keyExpires,omitempty,omitzero"`

	// keyTags are the tags that instances get by the key. Another key takes its place when the
	// Tailnet's nodeTags are others. Absent if they are not known.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	KeyTags []string `json:"keyTags,omitempty"`
}

// PoolInstanceStatus is one instance of a pool; its OCIMeshMachinePoolMachine of the same name
// tells more.
type PoolInstanceStatus struct {
	// instanceName is the instance's name in the tailnet and its OCIMeshMachinePoolMachine's.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	InstanceName string `json:"instanceName,omitempty"`

	// providerID of the instance.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	ProviderID string `json:"providerID,omitempty"`

	// state is OCI's life-cycle state, such as RUNNING.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	State string `json:"state,omitempty"`

	// ready is true while the instance runs and is on the tailnet.
	// +optional
	Ready *bool `json:"ready,omitempty"`
}

// OCIMeshMachinePool is an OCI instance pool in one of a cluster's accounts. It is the
// infrastructure of a MachinePool.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=ocimeshmachinepools,scope=Namespaced,categories=cluster-api,shortName=ommp
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Cluster",type="string",JSONPath=".metadata.labels['cluster\\.x-k8s\\.io/cluster-name']"
// +kubebuilder:printcolumn:name="Account",type="string",JSONPath=".spec.account"
// +kubebuilder:printcolumn:name="Shape",type="string",JSONPath=".spec.shape.name"
// +kubebuilder:printcolumn:name="Size",type="integer",JSONPath=".status.pool.size"
// +kubebuilder:printcolumn:name="Replicas",type="integer",JSONPath=".status.replicas"
// +kubebuilder:printcolumn:name="State",type="string",JSONPath=".status.pool.state"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Key Expires",type="string",priority=1,JSONPath=".status.configuration.keyExpires"
// +kubebuilder:printcolumn:name="Message",type="string",priority=1,JSONPath=".status.conditions[?(@.type=='Ready')].message"
type OCIMeshMachinePool struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata. The name is a part of the instances' names in the
	// tailnet.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state of the pool.
	// +required
	// +kubebuilder:validation:XValidation:rule="self.account == oldSelf.account",message="account is immutable: an instance pool cannot move to another account, make another MachinePool"
	Spec OCIMeshMachinePoolSpec `json:"spec,omitempty,omitzero"`

	// status is the observed state of the pool.
	// +optional
	Status OCIMeshMachinePoolStatus `json:"status,omitempty,omitzero"`
}

// OCIMeshMachinePoolList is a list of OCIMeshMachinePools.
//
// +kubebuilder:object:root=true
type OCIMeshMachinePoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OCIMeshMachinePool `json:"items"`
}

// GetConditions returns the conditions.
func (p *OCIMeshMachinePool) GetConditions() []metav1.Condition { return p.Status.Conditions }

// SetConditions replaces the conditions.
func (p *OCIMeshMachinePool) SetConditions(conditions []metav1.Condition) {
	p.Status.Conditions = conditions
}
