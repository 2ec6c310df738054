// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// LoadBalancerScope says where a load balancer can be reached from.
// +kubebuilder:validation:Enum=Public;Private
type LoadBalancerScope string

const (
	// LoadBalancerPublic has a public address.
	LoadBalancerPublic LoadBalancerScope = "Public"
	// LoadBalancerPrivate has an address of its subnet only.
	LoadBalancerPrivate LoadBalancerScope = "Private"
)

// IsPrivate tells whether the load balancer has no public address.
func (s LoadBalancerScope) IsPrivate() bool {
	switch s {
	case LoadBalancerPrivate:
		return true
	case LoadBalancerPublic:
		return false
	}
	return false
}

// LoadBalancerSpec is the load balancer in front of the control planes.
// +kubebuilder:validation:XValidation:rule="self.scope == oldSelf.scope",message="loadBalancer.scope is immutable: certificates and nodes hold the address"
// +kubebuilder:validation:XValidation:rule="has(self.reservedPublicIPID) == has(oldSelf.reservedPublicIPID) && (!has(self.reservedPublicIPID) || self.reservedPublicIPID == oldSelf.reservedPublicIPID)",message="loadBalancer.reservedPublicIPID is immutable: certificates and nodes hold the address"
// +kubebuilder:validation:XValidation:rule="has(self.subnetID) == has(oldSelf.subnetID) && (!has(self.subnetID) || self.subnetID == oldSelf.subnetID)",message="loadBalancer.subnetID is immutable: OCI moves no load balancer"
// +kubebuilder:validation:XValidation:rule="!has(self.reservedPublicIPID) || self.scope == 'Public'",message="reservedPublicIPID needs scope Public"
type LoadBalancerSpec struct {
	// scope is Public, with an address of the Internet, or Private, with one of its subnet. It is
	// never derived from the subnet.
	// +required
	Scope LoadBalancerScope `json:"scope,omitempty"`

	// reservedPublicIPID is the OCID of a reserved public IP of the user's for the load balancer.
	// It is kept when the load balancer is deleted.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.startsWith('ocid1.publicip.')",message="reservedPublicIPID must be a public IP's OCID (ocid1.publicip.…)"
	ReservedPublicIPID string `json:"reservedPublicIPID,omitempty"`

	// subnetID is the OCID of the load balancer's subnet, in an existing network; the nodes' subnet
	// by default.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.startsWith('ocid1.subnet.')",message="subnetID must be a subnet's OCID (ocid1.subnet.…)"
	SubnetID string `json:"subnetID,omitempty"`

	// networkSecurityGroupIDs are the OCIDs of the load balancer's groups, in an existing network.
	// They, or its subnet's security lists, must let clients in and the control planes be reached
	// on the API server's port.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	NetworkSecurityGroupIDs []string `json:"networkSecurityGroupIDs,omitempty"`

	// bandwidth of a load balancer of type LoadBalancer; 10 Mbps by default, the size in Always
	// Free.
	// +optional
	Bandwidth LoadBalancerBandwidth `json:"bandwidth,omitempty,omitzero"`
}

// LoadBalancerBandwidth is the bandwidth of a flexible load balancer.
// +kubebuilder:validation:XValidation:rule="self.minimumMbps <= self.maximumMbps",message="minimumMbps must not exceed maximumMbps"
type LoadBalancerBandwidth struct {
	// minimumMbps is always available, in megabits per second.
	// +required
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=8000
	MinimumMbps int32 `json:"minimumMbps,omitempty"`

	// maximumMbps is the most it grows to, in megabits per second.
	// +required
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=8000
	MaximumMbps int32 `json:"maximumMbps,omitempty"`
}

// LoadBalancerStatus is the observed state of the load balancer. All of it can be found again by
// its tag.
// +kubebuilder:validation:MinProperties=1
type LoadBalancerStatus struct {
	// id is the load balancer's OCID.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	ID string `json:"id,omitempty"`

	// state is OCI's life-cycle state, such as ACTIVE.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	State string `json:"state,omitempty"`

	// workRequestID is the OCID of OCI's work request for the last change, until its end was seen.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	WorkRequestID string `json:"workRequestID,omitempty"`

	// attempt counts failed creations. The retry token is made of it and the cluster's UID.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Attempt int32 `json:"attempt,omitempty"`

	// claim names the management cluster holding the load balancer.
	// +optional
	Claim ClaimStatus `json:"claim,omitempty,omitzero"`
}

// LoadBalancerAccount is the account of the load balancer: the one allowing control planes. It is
// empty if the endpoint is not a load balancer.
func (c *OCIMeshCluster) LoadBalancerAccount() string {
	if !c.Spec.EndpointType.HasLoadBalancer() {
		return ""
	}
	for _, account := range c.Spec.Accounts {
		if account.ControlPlane == nil || *account.ControlPlane {
			return account.Name
		}
	}
	return ""
}
