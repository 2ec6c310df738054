// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

// OCIMeshClusterStatus is the observed state of the cluster's infrastructure.
// +kubebuilder:validation:MinProperties=1
type OCIMeshClusterStatus struct {
	// conditions tell the cluster's state: Ready, AccountsReady, NetworkReady, TailnetReady,
	// RangesDistinct, EndpointReady, ControlPlaneSpread, Paused, Deleting.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// initialization is written once, when the first machine may be made.
	// +optional
	Initialization OCIMeshClusterInitializationStatus `json:"initialization,omitempty,omitzero"`

	// failureDomains are the availability domains of the ready accounts, named <account>-<ad>.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	FailureDomains []clusterv1.FailureDomain `json:"failureDomains,omitempty"`

	// usableAccounts is how many accounts of the spec can take machines, of how many, such as 2/3.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=16
	UsableAccounts string `json:"usableAccounts,omitempty"`

	// accounts are the networks per account, also of accounts removed from the spec while their
	// network still exists.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=100
	Accounts []ClusterAccountStatus `json:"accounts,omitempty"`

	// ranges are the cluster's own, for comparison with other clusters' of the tailnet.
	// +optional
	Ranges ClusterRanges `json:"ranges,omitempty,omitzero"`

	// loadBalancer is the load balancer in front of the control planes, if the endpoint is one.
	// +optional
	LoadBalancer LoadBalancerStatus `json:"loadBalancer,omitempty,omitzero"`
}

// ClusterRanges are a cluster's ranges of addresses.
// +kubebuilder:validation:MinProperties=1
type ClusterRanges struct {
	// pods are the Cluster's pod ranges from before the first machine. Nodes hold them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	Pods []string `json:"pods,omitempty"`

	// services are the Cluster's service ranges from before the first machine.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	Services []string `json:"services,omitempty"`
}

// OCIMeshClusterInitializationStatus is the cluster's initialization, as the Cluster API contract
// names it.
// +kubebuilder:validation:MinProperties=1
type OCIMeshClusterInitializationStatus struct {
	// provisioned is true once the endpoint is known and machines may be made.
	// +optional
	Provisioned *bool `json:"provisioned,omitempty"`
}

// ClusterAccountStatus is the state of one account's network.
type ClusterAccountStatus struct {
	// conditions tell since when the account is usable or not, and why: Ready, AccountReady,
	// NetworkReady.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// name of the OCIAccount.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// ready is true while machines can be placed in the account.
	// +optional
	Ready *bool `json:"ready,omitempty"`

	// reason is why the account is not ready, one word.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Reason string `json:"reason,omitempty"`

	// message is why the account is not ready and what to do.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// vcnID is the VCN's OCID.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	VCNID string `json:"vcnID,omitempty"`

	// subnetID is the OCID of the nodes' subnet.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	SubnetID string `json:"subnetID,omitempty"`

	// networkSecurityGroupIDs are the groups of nodes' VNICs.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=5
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	NetworkSecurityGroupIDs []string `json:"networkSecurityGroupIDs,omitempty"`

	// ranges are the VCN's IPv4 ranges, or the subnet's if the account may not read its VCN.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=64
	Ranges []string `json:"ranges,omitempty"`

	// publicIP says whether machines of this network have public addresses.
	// +optional
	PublicIP *bool `json:"publicIP,omitempty"`

	// claim names the management cluster holding the VCN.
	// +optional
	Claim ClaimStatus `json:"claim,omitempty,omitzero"`
}

// GetConditions returns the conditions.
func (a *ClusterAccountStatus) GetConditions() []metav1.Condition { return a.Conditions }

// SetConditions replaces the conditions.
func (a *ClusterAccountStatus) SetConditions(conditions []metav1.Condition) {
	a.Conditions = conditions
}
