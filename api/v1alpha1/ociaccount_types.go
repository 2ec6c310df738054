// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OCIAccountFinalizer keeps an account, and with it the credentials, until it is unused.
const OCIAccountFinalizer = "ociaccount.infrastructure.cluster.x-k8s.io"

// Keys of the Secret of a user principal, named as in OCI's own configuration file.
const (
	// CredentialsTenancyKey holds the tenancy's OCID.
	CredentialsTenancyKey = "tenancy"
	// CredentialsUserKey holds the user's OCID.
	CredentialsUserKey = "user"
	// CredentialsFingerprintKey holds the API key's fingerprint, hex pairs with colons.
	CredentialsFingerprintKey = "fingerprint"
	// CredentialsPrivateKeyKey holds the API key's private half, PEM.
	CredentialsPrivateKeyKey = "key"
	// CredentialsPassphraseKey holds the passphrase of an encrypted key; optional.
	CredentialsPassphraseKey = "passphrase"
)

// CredentialsType is the way the provider signs its requests to OCI.
// +kubebuilder:validation:Enum=UserPrincipal;InstancePrincipal;WorkloadIdentity
type CredentialsType string

const (
	// UserPrincipal signs with a user's API key from a Secret.
	UserPrincipal CredentialsType = "UserPrincipal"
	// InstancePrincipal signs as the provider's own OCI instance.
	InstancePrincipal CredentialsType = "InstancePrincipal"
	// WorkloadIdentity signs as the service account of the provider's pod on OKE.
	WorkloadIdentity CredentialsType = "WorkloadIdentity"
)

// HasSecret tells whether the credentials are in a Secret. Those of an unknown type are not.
func (t CredentialsType) HasSecret() bool {
	switch t {
	case UserPrincipal:
		return true
	case InstancePrincipal, WorkloadIdentity:
		return false
	}
	return false
}

// OCIAccountSpec describes an account and the provider's access to it.
// +kubebuilder:validation:XValidation:rule="self.region == oldSelf.region",message="region is immutable: make a second OCIAccount for another region"
// +kubebuilder:validation:XValidation:rule="self.compartmentID == oldSelf.compartmentID",message="compartmentID is immutable: make a second OCIAccount for another compartment"
type OCIAccountSpec struct {
	// region is the OCI region identifier, such as eu-frankfurt-1.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z]+(-[a-z0-9]+)+$')",message="region must be a region identifier such as eu-frankfurt-1"
	Region string `json:"region,omitempty"`

	// compartmentID is the OCID of the compartment for networks and machines. The tenancy's OCID is
	// its root compartment.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.startsWith('ocid1.compartment.') || self.startsWith('ocid1.tenancy.')",message="compartmentID must be the OCID of a compartment or of the tenancy (ocid1.compartment.… or ocid1.tenancy.…)"
	CompartmentID string `json:"compartmentID,omitempty"`

	// credentials is how requests are signed.
	// +required
	Credentials OCICredentials `json:"credentials,omitempty,omitzero"`

	// endpoint replaces OCI's public service addresses, for dedicated regions, proxies and
	// simulators. {service} and {region} stand for the service's name (iaas, identity, limits,
	// network-load-balancer-api) and the region; an address without {service} is used for all
	// services.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.startsWith('https://') || self.startsWith('http://')",message="endpoint must be an http or https URL"
	Endpoint string `json:"endpoint,omitempty"`

	// allowedNamespaces limits the namespaces of clusters using this account.
	// +required
	AllowedNamespaces AllowedNamespaces `json:"allowedNamespaces,omitempty,omitzero"`

	// budget limits the use of the account by the provider's machines, all clusters together; it is
	// never exceeded. Without it only OCI's own limits count. Lowering it removes no machines.
	// +optional
	Budget AccountBudget `json:"budget,omitempty,omitzero"`
}

// AccountBudget is either the Always Free preset or the user's own figures.
// +kubebuilder:validation:XValidation:rule="(has(self.alwaysFree) && self.alwaysFree) != (has(self.families) || has(self.volumeGB))",message="exactly one of alwaysFree and figures (families, volumeGB) must be set"
// +kubebuilder:validation:MinProperties=1
type AccountBudget struct {
	// alwaysFree stands for Oracle's Always Free resources, as known to this version of the
	// provider: see status.usage and status.volumes for the figures.
	// +optional
	AlwaysFree *bool `json:"alwaysFree,omitempty"`

	// families are the permitted shape families, each with its limits. When it is set, other
	// families are not used.
	// +optional
	// +listType=map
	// +listMapKey=family
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Families []FamilyBudget `json:"families,omitempty"`

	// volumeGB bounds boot and data volumes together, in GB. A boot volume without a size counts as
	// 50 GB.
	// +optional
	// +kubebuilder:validation:Minimum=0
	VolumeGB *int32 `json:"volumeGB,omitempty"`
}

// FamilyBudget limits the use of a shape family. An absent figure sets no limit.
// +kubebuilder:validation:XValidation:rule="has(self.instances) || has(self.ocpus) || has(self.memoryGB)",message="at least one of instances, ocpus and memoryGB must be set"
type FamilyBudget struct {
	// family is the shape's name without VM. or BM., sizes and Flex: Standard.A1 for
	// VM.Standard.A1.Flex, Standard.E2.Micro for VM.Standard.E2.1.Micro, Standard3 for
	// VM.Standard3.Flex.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Z][A-Za-z0-9]*([.][A-Z][A-Za-z0-9]*)*$') && !self.startsWith('VM.') && !self.startsWith('BM.') && !self.endsWith('.Flex')",message="family must be a shape's name without VM. or BM., sizes and Flex, such as Standard.A1"
	Family string `json:"family,omitempty"`

	// instances is the number of machines.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Instances *int32 `json:"instances,omitempty"`

	// ocpus of all machines together.
	// +optional
	// +kubebuilder:validation:Minimum=0
	OCPUs *int32 `json:"ocpus,omitempty"`

	// memoryGB of all machines together, in GB.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MemoryGB *int32 `json:"memoryGB,omitempty"`
}

// OCICredentials is a union, discriminated by type.
// +kubebuilder:validation:XValidation:rule="self.type == 'UserPrincipal' ? has(self.secretRef) : !has(self.secretRef)",message="secretRef must be set for UserPrincipal and only then"
type OCICredentials struct {
	// type of the principal.
	// +required
	Type CredentialsType `json:"type,omitempty"`

	// secretRef names the Secret with the keys tenancy, user, fingerprint, key and, for an
	// encrypted key, passphrase.
	// +optional
	SecretRef SecretReference `json:"secretRef,omitempty,omitzero"`
}

// OCIAccount is one Oracle Cloud account in one region: its compartment, its credentials and the
// namespaces that may use it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=ociaccounts,scope=Cluster,categories=cluster-api,shortName=ociacc
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Region",type="string",JSONPath=".spec.region"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].reason"
// +kubebuilder:printcolumn:name="Machines",type="integer",JSONPath=".status.machines"
// +kubebuilder:printcolumn:name="Used",type="string",JSONPath=".status.summary.used"
// +kubebuilder:printcolumn:name="Volumes",type="string",JSONPath=".status.summary.volumes"
// +kubebuilder:printcolumn:name="Short",type="string",JSONPath=".status.summary.short"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Strays",type="integer",priority=1,JSONPath=".status.strays.count"
// +kubebuilder:printcolumn:name="Limits",type="string",priority=1,JSONPath=".status.limitsMessage"
// +kubebuilder:printcolumn:name="Message",type="string",priority=1,JSONPath=".status.conditions[?(@.type=='Ready')].message"
type OCIAccount struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state of the account.
	// +required
	Spec OCIAccountSpec `json:"spec,omitempty,omitzero"`

	// status is the observed state of the account.
	// +optional
	Status OCIAccountStatus `json:"status,omitempty,omitzero"`
}

// OCIAccountList is a list of OCIAccounts.
//
// +kubebuilder:object:root=true
type OCIAccountList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OCIAccount `json:"items"`
}

// GetConditions returns the conditions.
func (a *OCIAccount) GetConditions() []metav1.Condition { return a.Status.Conditions }

// SetConditions replaces the conditions.
func (a *OCIAccount) SetConditions(conditions []metav1.Condition) { a.Status.Conditions = conditions }
