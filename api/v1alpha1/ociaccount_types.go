// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OCIAccountFinalizer keeps an account, and with it the credentials, until nothing uses it any more.
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
	// InstancePrincipal signs as the OCI instance that the provider runs on.
	InstancePrincipal CredentialsType = "InstancePrincipal"
	// WorkloadIdentity signs as the service account of the provider's pod on OKE.
	WorkloadIdentity CredentialsType = "WorkloadIdentity"
)

// OCIAccountSpec says where an account is and how the provider acts in it.
// +kubebuilder:validation:XValidation:rule="self.region == oldSelf.region",message="region is immutable: make a second OCIAccount for another region"
// +kubebuilder:validation:XValidation:rule="self.compartmentID == oldSelf.compartmentID",message="compartmentID is immutable: make a second OCIAccount for another compartment"
type OCIAccountSpec struct {
	// region is the OCI region identifier, such as eu-frankfurt-1.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z]+(-[a-z0-9]+)+$')",message="region must be a region identifier such as eu-frankfurt-1"
	Region string `json:"region,omitempty"`

	// compartmentID is the OCID of the compartment that networks and machines are made in. The tenancy's OCID is its
	// root compartment.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.startsWith('ocid1.compartment.') || self.startsWith('ocid1.tenancy.')",message="compartmentID must be the OCID of a compartment or of the tenancy (ocid1.compartment.… or ocid1.tenancy.…)"
	CompartmentID string `json:"compartmentID,omitempty"`

	// credentials is how requests are signed.
	// +required
	Credentials OCICredentials `json:"credentials,omitempty,omitzero"`

	// endpoint replaces OCI's public service addresses, for dedicated regions, proxies and simulators. {service} and
	// {region} stand for the service's name (iaas, identity, limits, network-load-balancer-api) and the region; an address
	// without {service} is used for all services.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.startsWith('https://') || self.startsWith('http://')",message="endpoint must be an http or https URL"
	Endpoint string `json:"endpoint,omitempty"`

	// allowedNamespaces says from which namespaces clusters may use this account.
	// +required
	AllowedNamespaces AllowedNamespaces `json:"allowedNamespaces,omitempty,omitzero"`
}

// OCICredentials is a union, told apart by type.
// +kubebuilder:validation:XValidation:rule="self.type == 'UserPrincipal' ? has(self.secretRef) : !has(self.secretRef)",message="secretRef must be set for UserPrincipal and only then"
type OCICredentials struct {
	// type of the principal.
	// +required
	Type CredentialsType `json:"type,omitempty"`

	// secretRef names the Secret with the keys tenancy, user, fingerprint, key and, for an encrypted key, passphrase.
	// +optional
	SecretRef SecretReference `json:"secretRef,omitempty,omitzero"`
}

// OCIAccountStatus is what was seen of the account.
// +kubebuilder:validation:MinProperties=1
type OCIAccountStatus struct {
	// conditions tell the account's state: Ready, CredentialsValid, CompartmentAccessible, Deleting.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// availabilityDomains are the region's, as this tenancy sees them.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	AvailabilityDomains []AvailabilityDomain `json:"availabilityDomains,omitempty"`

	// users are the OCIMeshClusters that use the account; it cannot be deleted while there are any. At most 64 are named.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Users []ObjectUser `json:"users,omitempty"`
}

// AvailabilityDomain is one of an account's availability domains.
type AvailabilityDomain struct {
	// name is OCI's, with the tenancy's own prefix, such as Uocm:EU-FRANKFURT-1-AD-1.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Name string `json:"name,omitempty"`

	// shortName is the part that is the same in every tenancy, in lower case, such as ad-1.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	ShortName string `json:"shortName,omitempty"`

	// faultDomains are the availability domain's, such as FAULT-DOMAIN-1.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	FaultDomains []string `json:"faultDomains,omitempty"`
}

// OCIAccount is one Oracle Cloud account in one region: where it is, how to act in it and who may use it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=ociaccounts,scope=Cluster,categories=cluster-api,shortName=ociacc
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Region",type="string",JSONPath=".spec.region"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
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
