// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

// OCIMeshMachineFinalizer keeps a machine until its instance, its volumes, its device and its key are gone.
const OCIMeshMachineFinalizer = "ocimeshmachine.infrastructure.cluster.x-k8s.io"

// BootstrapMode says where a node's Kubernetes software comes from.
// +kubebuilder:validation:Enum=Preinstalled;Install
type BootstrapMode string

const (
	// BootstrapPreinstalled expects containerd, kubelet and kubeadm of the Machine's version in the image.
	BootstrapPreinstalled BootstrapMode = "Preinstalled"
	// BootstrapInstall installs them at first boot from the community's package repositories, so that a stock platform
	// image works in every account.
	BootstrapInstall BootstrapMode = "Install"
)

// TailscaleSource says where a node's tailscale comes from.
// +kubebuilder:validation:Enum=Packages;Mirror;Preinstalled
type TailscaleSource string

const (
	// TailscalePackages installs it from Tailscale's package repository.
	TailscalePackages TailscaleSource = "Packages"
	// TailscaleMirror fetches its archive from a URL and checks it.
	TailscaleMirror TailscaleSource = "Mirror"
	// TailscalePreinstalled expects it in the image.
	TailscalePreinstalled TailscaleSource = "Preinstalled"
)

// FileSystem is the file system of a data volume.
// +kubebuilder:validation:Enum=ext4;xfs
type FileSystem string

// OCIMeshMachineSpec says what machine to make and where it may be.
type OCIMeshMachineSpec struct {
	// providerID is set by the provider: oci:// and the instance's OCID.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	ProviderID string `json:"providerID,omitempty"`

	// accounts narrows the cluster's accounts for this machine; all of them when it is absent.
	// +optional
	Accounts AccountSelection `json:"accounts,omitempty,omitzero"`

	// shapes in order of preference: the next one is tried when an account has no capacity for the one before.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, b.name == a.name))",message="a shape can be named once: a shortage counts for all of its sizes"
	Shapes []Shape `json:"shapes,omitempty"`

	// image is what the boot volume is made from.
	// +required
	Image Image `json:"image,omitempty,omitzero"`

	// bootVolume is the boot volume's size and performance; the image's own when it is absent.
	// +optional
	BootVolume BootVolume `json:"bootVolume,omitempty,omitzero"`

	// dataVolumes are made with the instance, mounted at first boot and deleted with it.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, b.mountPath == a.mountPath))",message="two data volumes cannot have the same mountPath"
	DataVolumes []DataVolume `json:"dataVolumes,omitempty"`

	// bootstrap says whether containerd, kubelet and kubeadm are in the image or installed at first boot.
	// +optional
	// +default="Install"
	// +kubebuilder:default=Install
	Bootstrap BootstrapMode `json:"bootstrap,omitempty"`

	// tailscale says where tailscale comes from and which version it is.
	// +optional
	// +kubebuilder:default={source: Packages}
	Tailscale Tailscale `json:"tailscale,omitempty,omitzero"`

	// sshAuthorizedKeys are let in for the image's default user. Nothing in this provider needs them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=2048
	SSHAuthorizedKeys []string `json:"sshAuthorizedKeys,omitempty"`

	// preemptible asks for a cheaper instance that OCI may take back at any time.
	// +optional
	Preemptible *bool `json:"preemptible,omitempty"`

	// tags are freeform tags of the instance. Names that start with ocimesh- are the provider's. OCI allows 10 in all, with names of
	// up to 100 and values of up to 256 characters (OCI documentation, "Tagging Overview"); the provider sets 4.
	// +optional
	// +kubebuilder:validation:MaxProperties=6
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('ocimesh-'))",message="tags that start with ocimesh- are the provider's own"
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) > 0 && size(k) <= 100 && size(self[k]) <= 256)",message="names of tags have 1 to 100 characters and values at most 256"
	Tags map[string]string `json:"tags,omitempty"`
}

// AccountSelection is a union: exactly one of its fields is set.
// +kubebuilder:validation:XValidation:rule="has(self.names) != has(self.selector)",message="exactly one of names and selector must be set"
// +kubebuilder:validation:MinProperties=1
type AccountSelection struct {
	// names of OCIAccounts.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Names []string `json:"names,omitempty"`

	// selector selects OCIAccounts by label.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`
}

// Shape is an OCI shape with its size.
// +kubebuilder:validation:XValidation:rule="self.name.endsWith('.Flex') == has(self.ocpus)",message="ocpus must be set for shapes that end in .Flex, and only for them"
// +kubebuilder:validation:XValidation:rule="self.name.endsWith('.Flex') == has(self.memoryGB)",message="memoryGB must be set for shapes that end in .Flex, and only for them"
type Shape struct {
	// name of the shape, such as VM.Standard.A1.Flex.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.startsWith('VM.') || self.startsWith('BM.')",message="shape names start with VM. or BM."
	Name string `json:"name,omitempty"`

	// ocpus of a flexible shape. An OCPU is two virtual CPUs, but one on Ampere A1.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=512
	OCPUs int32 `json:"ocpus,omitempty"`

	// memoryGB of a flexible shape, in GB.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4096
	MemoryGB int32 `json:"memoryGB,omitempty"`
}

// Image is a union: exactly one of its fields is set.
// +kubebuilder:validation:XValidation:rule="[has(self.id), has(self.name), has(self.platform)].filter(x, x).size() == 1",message="exactly one of id, name and platform must be set"
// +kubebuilder:validation:MinProperties=1
type Image struct {
	// id is an image's OCID. It exists in one account only, unless it is a platform image of the region.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.startsWith('ocid1.image.')",message="id must be an image's OCID (ocid1.image.…)"
	ID string `json:"id,omitempty"`

	// name is looked up in each account's compartment: the newest image of that display name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Name string `json:"name,omitempty"`

	// platform is Oracle's newest platform image of an operating system for the shape's architecture.
	// +optional
	Platform PlatformImage `json:"platform,omitempty,omitzero"`
}

// PlatformImage is an operating system as OCI names it.
type PlatformImage struct {
	// operatingSystem is Canonical Ubuntu or Oracle Linux.
	// +required
	// +kubebuilder:validation:Enum="Canonical Ubuntu";"Oracle Linux"
	OperatingSystem string `json:"operatingSystem,omitempty"`

	// version of the operating system, such as 24.04 or 9.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	Version string `json:"version,omitempty"`
}

// BootVolume is the boot volume's size and performance.
// +kubebuilder:validation:MinProperties=1
type BootVolume struct {
	// sizeGB in GB, at least the image's and at least 50.
	// +optional
	// +kubebuilder:validation:Minimum=50
	// +kubebuilder:validation:Maximum=32768
	SizeGB int32 `json:"sizeGB,omitempty"`

	// vpusPerGB is the performance: 10 balanced, 20 higher, 30 to 120 ultra high.
	// +optional
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=120
	// +kubebuilder:validation:MultipleOf=10
	VPUsPerGB int32 `json:"vpusPerGB,omitempty"`
}

// DataVolume is a block volume of a machine.
type DataVolume struct {
	// name of the volume, unique within the machine.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",message="name must be lower-case letters, digits and hyphens"
	Name string `json:"name,omitempty"`

	// sizeGB in GB.
	// +required
	// +kubebuilder:validation:Minimum=50
	// +kubebuilder:validation:Maximum=32768
	SizeGB int32 `json:"sizeGB,omitempty"`

	// vpusPerGB is the performance: 10 balanced, 20 higher, 30 to 120 ultra high.
	// +optional
	// +default=10
	// +kubebuilder:default=10
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=120
	// +kubebuilder:validation:MultipleOf=10
	VPUsPerGB int32 `json:"vpusPerGB,omitempty"`

	// fileSystem that a blank volume is formatted with.
	// +optional
	// +default="ext4"
	// +kubebuilder:default=ext4
	FileSystem FileSystem `json:"fileSystem,omitempty"`

	// mountPath is where the volume is mounted, an absolute path.
	// +required
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^(/[A-Za-z0-9._-]+)+$') && !self.contains('/../') && !self.endsWith('/..')",message="mountPath must be an absolute path of letters, digits, dots, hyphens and underscores"
	MountPath string `json:"mountPath,omitempty"`
}

// Tailscale says where tailscale comes from and which version it is.
// +kubebuilder:validation:XValidation:rule="!has(self.source) || (self.source == 'Mirror') == has(self.mirror)",message="mirror must be set for source Mirror and only then"
// +kubebuilder:validation:MinProperties=1
type Tailscale struct {
	// source is Packages, Mirror or Preinstalled.
	// +optional
	// +default="Packages"
	// +kubebuilder:default=Packages
	Source TailscaleSource `json:"source,omitempty"`

	// version to install from packages, such as 1.98.4; the provider's tested version when it is absent.
	// +optional
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9]+[.][0-9]+[.][0-9]+$')",message="version must have the form 1.98.4"
	Version string `json:"version,omitempty"`

	// mirror is the archive for each architecture.
	// +optional
	// +listType=map
	// +listMapKey=architecture
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	Mirror []TailscaleArchive `json:"mirror,omitempty"`
}

// TailscaleArchive is a tailscale .tgz as Tailscale publishes it.
type TailscaleArchive struct {
	// architecture that the archive is for.
	// +required
	Architecture Architecture `json:"architecture,omitempty"`

	// url of the archive.
	// +required
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.startsWith('https://') || self.startsWith('http://')",message="url must be an http or https URL"
	URL string `json:"url,omitempty"`

	// sha256 of the archive, 64 hexadecimal digits.
	// +required
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[0-9a-f]{64}$')",message="sha256 must be 64 lower-case hexadecimal digits"
	SHA256 string `json:"sha256,omitempty"`
}

// OCIMeshMachineStatus is what was seen of the machine. All of it can be found again from tags.
// +kubebuilder:validation:MinProperties=1
type OCIMeshMachineStatus struct {
	// conditions tell the machine's state: Ready, Placed, InstanceReady, TailnetReady, LoadBalancerReady, Paused, Deleting.
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

	// failureDomain is the one that the machine is placed in, <account>-<ad>.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	FailureDomain string `json:"failureDomain,omitempty"`

	// placement is the decision where to launch. It is written before the launch, so that a restart repeats it.
	// +optional
	Placement Placement `json:"placement,omitempty,omitzero"`

	// shortages are the places that had no room for this machine, and until when they are left out.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Shortages []Shortage `json:"shortages,omitempty"`

	// instance is the OCI instance.
	// +optional
	Instance InstanceStatus `json:"instance,omitempty,omitzero"`

	// tailnet is the machine's device in the tailnet.
	// +optional
	Tailnet TailnetDeviceStatus `json:"tailnet,omitempty,omitzero"`

	// backend is a control plane's part in the cluster's load balancer, if that has one.
	// +optional
	Backend BackendStatus `json:"backend,omitempty,omitzero"`
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

// OCIMeshMachineInitializationStatus is the machine's initialization, as the Cluster API contract names it.
// +kubebuilder:validation:MinProperties=1
type OCIMeshMachineInitializationStatus struct {
	// provisioned is true once the machine runs and is on the tailnet.
	// +optional
	Provisioned *bool `json:"provisioned,omitempty"`
}

// Placement is where a machine is launched.
type Placement struct {
	// attempt counts the decisions, from 1. The launch's retry token is made of it and the machine's UID.
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

	// imageID is the image's OCID in that account.
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

// Shortage is a place that had no room.
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

	// reason is OutOfCapacity, LimitExceeded or QuotaExceeded.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// count is how often in a row the place had no room; the time that it is left out doubles with it.
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

	// state is OCI's life-cycle state, such as RUNNING.
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

// TailnetDeviceStatus is the machine's device in the tailnet.
// +kubebuilder:validation:MinProperties=1
type TailnetDeviceStatus struct {
	// keyID is the id of the key that the machine joins with; the key itself is in no status.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	KeyID string `json:"keyID,omitempty"`

	// keyExpires is when that key expires.
	// +optional
	KeyExpires metav1.Time `json:"keyExpires,omitempty,omitzero"`

	// hostname is the machine's in the tailnet, unique by a part of the machine's UID.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Hostname string `json:"hostname,omitempty"`

	// deviceID is the device's id.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	DeviceID string `json:"deviceID,omitempty"`

	// addresses of the device, IPv4 first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	Addresses []string `json:"addresses,omitempty"`
}

// OCIMeshMachine is one machine in one of a cluster's accounts.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=ocimeshmachines,scope=Namespaced,categories=cluster-api,shortName=omm
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=".status.placement.account"
// +kubebuilder:printcolumn:name="Cluster",type="string",JSONPath=".metadata.labels['cluster\\.x-k8s\\.io/cluster-name']"
// +kubebuilder:printcolumn:name="Account",type="string",JSONPath=".status.placement.account"
// +kubebuilder:printcolumn:name="Shape",type="string",JSONPath=".status.placement.shape"
// +kubebuilder:printcolumn:name="State",type="string",JSONPath=".status.instance.state"
// +kubebuilder:printcolumn:name="Address",type="string",JSONPath=".status.tailnet.addresses[0]"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Fault Domain",type="string",priority=1,JSONPath=".status.placement.faultDomain"
// +kubebuilder:printcolumn:name="ProviderID",type="string",priority=1,JSONPath=".spec.providerID"
// +kubebuilder:printcolumn:name="Message",type="string",priority=1,JSONPath=".status.conditions[?(@.type=='Ready')].message"
type OCIMeshMachine struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state of the machine.
	// +required
	// +kubebuilder:validation:XValidation:rule="!has(oldSelf.providerID) || (has(self.providerID) && self.providerID == oldSelf.providerID)",message="providerID is immutable once set"
	// +kubebuilder:validation:XValidation:rule="self.shapes == oldSelf.shapes && self.image == oldSelf.image && has(self.accounts) == has(oldSelf.accounts) && (!has(self.accounts) || self.accounts == oldSelf.accounts)",message="shapes, image and accounts are immutable: change the template instead"
	// +kubebuilder:validation:XValidation:rule="has(self.bootVolume) == has(oldSelf.bootVolume) && (!has(self.bootVolume) || self.bootVolume == oldSelf.bootVolume) && has(self.dataVolumes) == has(oldSelf.dataVolumes) && (!has(self.dataVolumes) || self.dataVolumes == oldSelf.dataVolumes)",message="bootVolume and dataVolumes are immutable: change the template instead"
	// +kubebuilder:validation:XValidation:rule="self.bootstrap == oldSelf.bootstrap && self.tailscale == oldSelf.tailscale && has(self.preemptible) == has(oldSelf.preemptible) && (!has(self.preemptible) || self.preemptible == oldSelf.preemptible) && has(self.sshAuthorizedKeys) == has(oldSelf.sshAuthorizedKeys) && (!has(self.sshAuthorizedKeys) || self.sshAuthorizedKeys == oldSelf.sshAuthorizedKeys) && has(self.tags) == has(oldSelf.tags) && (!has(self.tags) || self.tags == oldSelf.tags)",message="bootstrap, tailscale, preemptible, sshAuthorizedKeys and tags are immutable: change the template instead"
	Spec OCIMeshMachineSpec `json:"spec,omitempty,omitzero"`

	// status is the observed state of the machine.
	// +optional
	Status OCIMeshMachineStatus `json:"status,omitempty,omitzero"`
}

// OCIMeshMachineList is a list of OCIMeshMachines.
//
// +kubebuilder:object:root=true
type OCIMeshMachineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OCIMeshMachine `json:"items"`
}

// GetConditions returns the conditions.
func (m *OCIMeshMachine) GetConditions() []metav1.Condition { return m.Status.Conditions }

// SetConditions replaces the conditions.
func (m *OCIMeshMachine) SetConditions(conditions []metav1.Condition) {
	m.Status.Conditions = conditions
}
