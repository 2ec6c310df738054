// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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

	// used is the use by the compartment, as far as OCI counts it.
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
