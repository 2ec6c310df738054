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

// OCIAccountStatus is the observed state of the account.
// +kubebuilder:validation:MinProperties=1
type OCIAccountStatus struct {
	// conditions tell the account's state: Ready, CredentialsValid, CompartmentAccessible,
	// StraysAbsent, Deleting.
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

	// users are the OCIMeshClusters using the account; it cannot be deleted while there are any. At
	// most 64 are named.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Users []ObjectUser `json:"users,omitempty"`

	// machines is the number of OCIMeshMachines placed in the account, including those not launched
	// yet.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Machines *int32 `json:"machines,omitempty"`

	// usage is the used and the remaining part of each shape family that machines use or may use.
	// +optional
	// +listType=map
	// +listMapKey=family
	// +kubebuilder:validation:MaxItems=32
	Usage []FamilyUsage `json:"usage,omitempty"`

	// volumes is the used and the remaining size of boot and data volumes.
	// +optional
	Volumes VolumeUsage `json:"volumes,omitempty,omitzero"`

	// limits are OCI's own service limits for the families in usage, by availability domain, read
	// every few minutes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Limits []ServiceLimit `json:"limits,omitempty"`

	// limitsMessage is why limits are unknown, and what to do.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	LimitsMessage string `json:"limitsMessage,omitempty"`

	// shortages are the places without room for some machine. Each is left out until its time, and
	// then tried by one machine; the others wait for the outcome. Machines of all clusters share
	// them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Shortages []Shortage `json:"shortages,omitempty"`

	// summary is usage and shortages in a few words, for people.
	// +optional
	Summary AccountSummary `json:"summary,omitempty,omitzero"`

	// strays are instances of the compartment with this provider's tags but no object in this
	// management cluster. Nothing removes them: they may be another management cluster's.
	// +optional
	Strays AccountStrays `json:"strays,omitempty,omitzero"`
}

// AccountStrays are instances with this provider's tags but no object.
// +kubebuilder:validation:MinProperties=1
type AccountStrays struct {
	// count is their number; absent until the first poll.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Count *int32 `json:"count,omitempty"`

	// instances are the earliest seen, at most 16.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=16
	Instances []StrayInstance `json:"instances,omitempty"`
}

// StrayInstance is an instance with this provider's tags but no object.
type StrayInstance struct {
	// id is the instance's OCID.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	ID string `json:"id,omitempty"`

	// displayName is the instance's name in OCI, shortened if it is longer.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	DisplayName string `json:"displayName,omitempty"`

	// owner is namespace/name of the instance's original object, as in its tag.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Owner string `json:"owner,omitempty"`

	// since is when the provider first saw the instance without an object; a restart starts over.
	// +optional
	Since metav1.Time `json:"since,omitempty,omitzero"`
}

// AccountSummary has the columns of "kubectl get ociaccounts".
// +kubebuilder:validation:MinProperties=1
type AccountSummary struct {
	// used is the use by machines, with the limits: "A1 2/2 OCPU 12/12 GB".
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Used string `json:"used,omitempty"`

	// volumes is the same for volumes: "100/200 GB".
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Volumes string `json:"volumes,omitempty"`

	// short names the shortages: "A1 OutOfCapacity until 12:05Z".
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Short string `json:"short,omitempty"`
}

// FamilyUsage is the used and the remaining part of a shape family.
type FamilyUsage struct {
	// family is the shape family, as in spec.budget.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Family string `json:"family,omitempty"`

	// used is the use by the provider's machines, including reservations for machines placed but
	// not launched yet.
	// +optional
	Used ResourceAmount `json:"used,omitempty,omitzero"`

	// others is the use by other instances of the compartment. It counts for OCI's limits, not for
	// the budget.
	// +optional
	Others ResourceAmount `json:"others,omitempty,omitzero"`

	// budget is the limit for the provider's machines; an absent figure sets no limit.
	// +optional
	Budget ResourceAmount `json:"budget,omitempty,omitzero"`

	// free is the remaining budget, never below 0.
	// +optional
	Free ResourceAmount `json:"free,omitempty,omitzero"`
}

// ResourceAmount is an amount of compute resources.
// +kubebuilder:validation:MinProperties=1
type ResourceAmount struct {
	// instances is their number.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Instances *int32 `json:"instances,omitempty"`

	// ocpus of all together.
	// +optional
	// +kubebuilder:validation:Minimum=0
	OCPUs *int32 `json:"ocpus,omitempty"`

	// memoryGB of all together, in GB.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MemoryGB *int32 `json:"memoryGB,omitempty"`
}

// VolumeUsage is the used and the remaining size of boot and data volumes, in GB.
// +kubebuilder:validation:MinProperties=1
type VolumeUsage struct {
	// usedGB is the use by the provider's machines.
	// +optional
	// +kubebuilder:validation:Minimum=0
	UsedGB *int32 `json:"usedGB,omitempty"`

	// budgetGB is the limit; absent without one.
	// +optional
	// +kubebuilder:validation:Minimum=0
	BudgetGB *int32 `json:"budgetGB,omitempty"`

	// freeGB is the remaining budget.
	// +optional
	// +kubebuilder:validation:Minimum=0
	FreeGB *int32 `json:"freeGB,omitempty"`
}

// ServiceLimit is one of OCI's service limits. Source: GetResourceAvailability of OCI's Limits API.
type ServiceLimit struct {
	// name is OCI's, such as standard-a1-core-count.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Name string `json:"name,omitempty"`

	// availabilityDomain of the limit; empty for a limit of the region.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	AvailabilityDomain string `json:"availabilityDomain,omitempty"`

	// value is the limit, in its own unit: OCPUs, or GB.
	// +required
	// +kubebuilder:validation:Minimum=0
	Value *int64 `json:"value,omitempty"`

	// used is the use by the whole tenancy, as far as OCI counts it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Used *int64 `json:"used,omitempty"`

	// available is the amount left to the compartment, quotas included.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Available *int64 `json:"available,omitempty"`
}

// AvailabilityDomain is one of an account's availability domains.
type AvailabilityDomain struct {
	// name is OCI's, with the tenancy's own prefix, such as Uocm:EU-FRANKFURT-1-AD-1.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Name string `json:"name,omitempty"`

	// shortName is the part common to all tenancies, in lower case, such as ad-1.
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
