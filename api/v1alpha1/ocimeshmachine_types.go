// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OCIMeshMachineFinalizer keeps a machine until its instance, its volumes, its device and its key
// are gone.
const OCIMeshMachineFinalizer = "ocimeshmachine.infrastructure.cluster.x-k8s.io"

// BootstrapMode is the source of a node's Kubernetes software.
// +kubebuilder:validation:Enum=Preinstalled;Install
type BootstrapMode string

const (
	// BootstrapPreinstalled expects containerd, kubelet and kubeadm of the Machine's version in the
	// image.
	BootstrapPreinstalled BootstrapMode = "Preinstalled"
	// BootstrapInstall installs them at first boot from the community's package repositories: a
	// stock platform image works in every account.
	BootstrapInstall BootstrapMode = "Install"
)

// TailscaleSource is the source of a node's tailscale.
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

// StopPolicy is what is done about an instance that was stopped outside of this provider.
// +kubebuilder:validation:Enum=Start;Leave
type StopPolicy string

const (
	// StopStart starts it again: Oracle stops idle instances of Always Free accounts.
	StopStart StopPolicy = "Start"
	// StopLeave leaves it stopped, and has no OCIMeshRemediation start or replace it.
	StopLeave StopPolicy = "Leave"
)

// LeavesStopped tells whether a stopped instance is neither started nor replaced. The zero policy
// is StopStart.
func (p StopPolicy) LeavesStopped() bool {
	switch p {
	case StopLeave:
		return true
	case StopStart:
		return false
	}
	return false
}

// OCIMeshMachineSpec describes a machine and its permitted places.
// +kubebuilder:validation:XValidation:rule="!has(self.dataVolumes) || self.dataVolumes.size() == 0 || !self.shapes.exists(s, s.name.startsWith('BM.'))",message="bare metal takes no dataVolumes: they are attached paravirtualized, which OCI has for virtual machines only; use shapes that start with VM., a larger bootVolume, or volumes of a CSI driver"
// +kubebuilder:validation:XValidation:rule="!has(self.bootVolume) || !has(self.bootVolume.vpusPerGB) || self.bootVolume.vpusPerGB <= 20 || !self.shapes.exists(s, s.name.startsWith('BM.'))",message="OCI gives boot volumes of bare metal at most 20 vpusPerGB: use 10 or 20"
type OCIMeshMachineSpec struct {
	// providerID is set by the provider: oci:// and the instance's OCID.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	ProviderID string `json:"providerID,omitempty"`

	// accounts narrows the cluster's accounts for this machine; all of them when it is absent.
	// +optional
	Accounts AccountSelection `json:"accounts,omitempty,omitzero"`

	// shapes in order of preference: the next one is tried when an account has no capacity for the
	// one before.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, b.name == a.name))",message="a shape can be named once: a placement names its shape and not its size"
	Shapes []Shape `json:"shapes,omitempty"`

	// image of the boot volume.
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

	// bootstrap says whether containerd, kubelet and kubeadm are in the image or installed at first
	// boot.
	// +optional
	// +default="Install"
	// +kubebuilder:default=Install
	Bootstrap BootstrapMode `json:"bootstrap,omitempty"`

	// tailscale is the source and the version of tailscale.
	// +optional
	// +kubebuilder:default={source: Packages}
	Tailscale Tailscale `json:"tailscale,omitempty,omitzero"`

	// onStop is what is done when the instance is stopped outside of this provider. It may be
	// changed at any time.
	// +optional
	// +default="Start"
	// +kubebuilder:default=Start
	OnStop StopPolicy `json:"onStop,omitempty"`

	// sshAuthorizedKeys are let in for the image's default user. Nothing in this provider needs
	// them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=2048
	SSHAuthorizedKeys []string `json:"sshAuthorizedKeys,omitempty"`

	// preemptible asks for a cheaper instance. OCI may take it back at any time, has it for some
	// shapes only, and neither starts, stops nor resets it.
	// +optional
	Preemptible *bool `json:"preemptible,omitempty"`

	// tags are freeform tags of the instance. Names starting with ocimesh- are the provider's. OCI
	// allows 10 in all, with names of up to 100 and values of up to 256 characters (OCI
	// documentation, "Tagging Overview"); the provider sets 5.
	// +optional
	// +kubebuilder:validation:MaxProperties=5
	// +kubebuilder:validation:XValidation:rule="self.all(k, !k.startsWith('ocimesh-'))",message="tags that start with ocimesh- are the provider's own"
	// +kubebuilder:validation:XValidation:rule="self.all(k, size(k) > 0 && size(k) <= 100 && size(self[k]) <= 256)",message="names of tags have 1 to 100 characters and values at most 256"
	Tags map[string]string `json:"tags,omitempty"`
}

// IsPreemptible tells whether the instance is preemptible. OCI neither starts, stops nor resets it,
// nor gives it another size (OCI documentation, "Preemptible Instances", "Support and
// Limitations").
func (s *OCIMeshMachineSpec) IsPreemptible() bool { return s.Preemptible != nil && *s.Preemptible }

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
	// id is an image's OCID. It exists in one account only, unless it is a platform image of the
	// region.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.startsWith('ocid1.image.')",message="id must be an image's OCID (ocid1.image.…)"
	ID string `json:"id,omitempty"`

	// name is looked up in each account's compartment: the newest image of this display name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Name string `json:"name,omitempty"`

	// platform is Oracle's newest platform image of an operating system for the shape's
	// architecture.
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

// Tailscale is the source and the version of tailscale.
// +kubebuilder:validation:XValidation:rule="!has(self.source) || (self.source == 'Mirror') == has(self.mirror)",message="mirror must be set for source Mirror and only then"
// +kubebuilder:validation:XValidation:rule="!has(self.version) || !has(self.source) || self.source == 'Packages'",message="version is for source Packages: a mirror's archives and an image bring their own version; leave it out"
// +kubebuilder:validation:MinProperties=1
type Tailscale struct {
	// source is Packages, Mirror or Preinstalled.
	// +optional
	// +default="Packages"
	// +kubebuilder:default=Packages
	Source TailscaleSource `json:"source,omitempty"`

	// version to install with source Packages, such as 1.98.4; the provider's tested version when
	// it is absent. A mirror's archives and an image bring their own.
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
	// architecture of the archive.
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

// OCIMeshMachine is one machine in one of a cluster's accounts.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=ocimeshmachines,scope=Namespaced,categories=cluster-api,shortName=omm
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=".status.placement.account"
// +kubebuilder:selectablefield:JSONPath=".status.tailnet.deviceID"
// +kubebuilder:selectablefield:JSONPath=".status.tailnet.hostname"
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
	// +kubebuilder:validation:XValidation:rule="self.shapes.map(s, s.name) == oldSelf.shapes.map(s, s.name) && self.image == oldSelf.image && has(self.accounts) == has(oldSelf.accounts) && (!has(self.accounts) || self.accounts == oldSelf.accounts)",message="the names of shapes, image and accounts are immutable: change the template instead"
	// +kubebuilder:validation:XValidation:rule="(has(self.bootVolume) && has(self.bootVolume.vpusPerGB) ? self.bootVolume.vpusPerGB : 0) == (has(oldSelf.bootVolume) && has(oldSelf.bootVolume.vpusPerGB) ? oldSelf.bootVolume.vpusPerGB : 0) && (has(self.bootVolume) && has(self.bootVolume.sizeGB) ? self.bootVolume.sizeGB : 0) >= (has(oldSelf.bootVolume) && has(oldSelf.bootVolume.sizeGB) ? oldSelf.bootVolume.sizeGB : 0)",message="bootVolume is immutable, but may grow: change the template instead"
	// +kubebuilder:validation:XValidation:rule="has(self.dataVolumes) == has(oldSelf.dataVolumes) && (!has(self.dataVolumes) || (self.dataVolumes.map(v, [v.name, v.mountPath, v.fileSystem]) == oldSelf.dataVolumes.map(v, [v.name, v.mountPath, v.fileSystem]) && self.dataVolumes.all(v, oldSelf.dataVolumes.exists(o, o.name == v.name && o.vpusPerGB == v.vpusPerGB && o.sizeGB <= v.sizeGB))))",message="dataVolumes and their order are immutable, but may grow: change the template instead"
	// +kubebuilder:validation:XValidation:rule="self.bootstrap == oldSelf.bootstrap && self.tailscale.source == oldSelf.tailscale.source && has(self.tailscale.mirror) == has(oldSelf.tailscale.mirror) && (!has(self.tailscale.mirror) || self.tailscale.mirror == oldSelf.tailscale.mirror) && has(self.preemptible) == has(oldSelf.preemptible) && (!has(self.preemptible) || self.preemptible == oldSelf.preemptible) && has(self.sshAuthorizedKeys) == has(oldSelf.sshAuthorizedKeys) && (!has(self.sshAuthorizedKeys) || self.sshAuthorizedKeys == oldSelf.sshAuthorizedKeys)",message="bootstrap, tailscale but for its version, preemptible and sshAuthorizedKeys are immutable: change the template instead"
	// +kubebuilder:validation:XValidation:rule="has(oldSelf.providerID) || (self.shapes == oldSelf.shapes && self.tailscale == oldSelf.tailscale && has(self.bootVolume) == has(oldSelf.bootVolume) && (!has(self.bootVolume) || self.bootVolume == oldSelf.bootVolume) && has(self.dataVolumes) == has(oldSelf.dataVolumes) && (!has(self.dataVolumes) || self.dataVolumes == oldSelf.dataVolumes) && has(self.tags) == has(oldSelf.tags) && (!has(self.tags) || self.tags == oldSelf.tags))",message="the sizes of shapes, bootVolume, dataVolumes, tailscale and tags are immutable until the machine is provisioned"
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

// GetTailnetDevice returns the record of the object's device in a tailnet.
func (m *OCIMeshMachine) GetTailnetDevice() TailnetDeviceStatus { return m.Status.Tailnet }

// SetConditions replaces the conditions.
func (m *OCIMeshMachine) SetConditions(conditions []metav1.Condition) {
	m.Status.Conditions = conditions
}
