// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// OCIMeshClusterFinalizer keeps a cluster until its networks, its load balancer and its VIP are
// given back.
const OCIMeshClusterFinalizer = "ocimeshcluster.infrastructure.cluster.x-k8s.io"

// EndpointType is how the API server is reached.
// +kubebuilder:validation:Enum=TailnetVIP;NetworkLoadBalancer;LoadBalancer;External
type EndpointType string

const (
	// EndpointTailnetVIP is an address of the tailnet's VIP range, advertised as a route by the
	// healthy control planes. It works across accounts and needs no load balancer; clients must be
	// on the tailnet and accept routes.
	EndpointTailnetVIP EndpointType = "TailnetVIP"
	// EndpointNetworkLoadBalancer is an OCI network load balancer in front of control planes in one
	// account.
	EndpointNetworkLoadBalancer EndpointType = "NetworkLoadBalancer"
	// EndpointLoadBalancer is a load balancer of OCI's classic kind in front of control planes in
	// one account.
	EndpointLoadBalancer EndpointType = "LoadBalancer"
	// EndpointExternal is an address provided by the user, who keeps it pointed at the control
	// planes.
	EndpointExternal EndpointType = "External"
)

// HasVIP tells whether the endpoint is an address of the tailnet's VIP range. An unknown type has
// neither a VIP nor a load balancer.
func (t EndpointType) HasVIP() bool {
	switch t {
	case EndpointTailnetVIP:
		return true
	case EndpointNetworkLoadBalancer, EndpointLoadBalancer, EndpointExternal:
		return false
	}
	return false
}

// HasLoadBalancer tells whether the endpoint is a load balancer that the provider makes.
func (t EndpointType) HasLoadBalancer() bool {
	switch t {
	case EndpointNetworkLoadBalancer, EndpointLoadBalancer:
		return true
	case EndpointTailnetVIP, EndpointExternal:
		return false
	}
	return false
}

// AddressIsOurs tells whether the provider finds the endpoint's address: one in the spec says that
// it has been at work for the cluster.
func (t EndpointType) AddressIsOurs() bool {
	switch t {
	case EndpointTailnetVIP, EndpointNetworkLoadBalancer, EndpointLoadBalancer:
		return true
	case EndpointExternal:
		return false
	}
	return false
}

// PodNetworkMode is how pod traffic crosses between nodes.
// +kubebuilder:validation:Enum=VXLAN;TailnetRoutes
type PodNetworkMode string

const (
	// PodNetworkVXLAN encapsulates pod traffic; it needs nothing but UDP between nodes.
	PodNetworkVXLAN PodNetworkMode = "VXLAN"
	// PodNetworkTailnetRoutes has each node advertise its own pod CIDR on the tailnet; pod traffic
	// is not encapsulated.
	PodNetworkTailnetRoutes PodNetworkMode = "TailnetRoutes"
)

// OnTailnet tells whether the tailnet has routes to pods.
func (m PodNetworkMode) OnTailnet() bool {
	switch m {
	case PodNetworkTailnetRoutes:
		return true
	case PodNetworkVXLAN:
		return false
	}
	return false
}

// GatewayType is how machines of a managed network reach the Internet.
// +kubebuilder:validation:Enum=Internet;NAT
type GatewayType string

const (
	// GatewayInternet gives machines public addresses behind an Internet gateway: direct tailnet
	// connections.
	GatewayInternet GatewayType = "Internet"
	// GatewayNAT keeps machines private behind a NAT gateway.
	GatewayNAT GatewayType = "NAT"
)

// IsPrivate tells whether machines have no public addresses. The zero type is GatewayInternet.
func (t GatewayType) IsPrivate() bool {
	switch t {
	case GatewayNAT:
		return true
	case GatewayInternet:
		return false
	}
	return false
}

// OCIMeshClusterSpec names a cluster's accounts and its tailnet.
// +kubebuilder:validation:XValidation:rule="self.tailnetRef == oldSelf.tailnetRef",message="tailnetRef is immutable: nodes cannot change their tailnet"
// +kubebuilder:validation:XValidation:rule="self.endpointType == oldSelf.endpointType",message="endpointType is immutable: certificates and nodes hold the endpoint"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.controlPlaneEndpoint) || has(self.controlPlaneEndpoint)",message="controlPlaneEndpoint cannot be taken away once set"
// +kubebuilder:validation:XValidation:rule="self.accounts.exists(a, !has(a.controlPlane) || a.controlPlane)",message="at least one account must allow control planes"
// +kubebuilder:validation:XValidation:rule="has(self.loadBalancer) == (self.endpointType in ['NetworkLoadBalancer', 'LoadBalancer'])",message="loadBalancer must be set with endpointType NetworkLoadBalancer or LoadBalancer, and only then"
// +kubebuilder:validation:XValidation:rule="!has(self.loadBalancer) || self.accounts.filter(a, !has(a.controlPlane) || a.controlPlane).size() == 1",message="a load balancer reaches control planes of one account only: set controlPlane to false for all other accounts, or use endpointType TailnetVIP"
// +kubebuilder:validation:XValidation:rule="!has(self.loadBalancer) || !has(oldSelf.loadBalancer) || self.accounts.filter(a, !has(a.controlPlane) || a.controlPlane).all(a, oldSelf.accounts.exists(b, b.name == a.name && (!has(b.controlPlane) || b.controlPlane)))",message="the account of the load balancer is immutable: certificates and nodes hold its address"
// +kubebuilder:validation:XValidation:rule="!has(self.loadBalancer) || (!has(self.loadBalancer.subnetID) && !has(self.loadBalancer.networkSecurityGroupIDs)) || !self.accounts.exists(a, (!has(a.controlPlane) || a.controlPlane) && has(a.network) && has(a.network.managed))",message="loadBalancer.subnetID and loadBalancer.networkSecurityGroupIDs are for an existing network: in a managed one the provider sees to them"
// +kubebuilder:validation:XValidation:rule="!has(self.loadBalancer) || self.loadBalancer.scope != 'Public' || !self.accounts.exists(a, (!has(a.controlPlane) || a.controlPlane) && has(a.network) && has(a.network.managed) && a.network.managed.gateway == 'NAT')",message="a public load balancer needs a public subnet: use gateway Internet for the control planes' account, an existing network, or scope Private"
// +kubebuilder:validation:XValidation:rule="!has(self.loadBalancer) || !has(self.loadBalancer.bandwidth) || self.endpointType == 'LoadBalancer'",message="loadBalancer.bandwidth is for endpointType LoadBalancer: a network load balancer has no limit of its own"
type OCIMeshClusterSpec struct {
	// controlPlaneEndpoint is the API server's address: allocated by the provider with TailnetVIP,
	// the load balancer's with NetworkLoadBalancer and LoadBalancer, given by the user with
	// External.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(oldSelf.host) || (has(self.host) && self.host == oldSelf.host)",message="controlPlaneEndpoint.host is immutable once set"
	// +kubebuilder:validation:XValidation:rule="!has(oldSelf.port) || (has(self.port) && self.port == oldSelf.port)",message="controlPlaneEndpoint.port is immutable once set"
	ControlPlaneEndpoint APIEndpoint `json:"controlPlaneEndpoint,omitempty,omitzero"`

	// endpointType is how the API server is reached.
	// +optional
	// +default="TailnetVIP"
	// +kubebuilder:default=TailnetVIP
	EndpointType EndpointType `json:"endpointType,omitempty"`

	// loadBalancer is the load balancer in front of the control planes, with endpointType
	// NetworkLoadBalancer or LoadBalancer.
	// +optional
	LoadBalancer LoadBalancerSpec `json:"loadBalancer,omitempty,omitzero"`

	// tailnetRef names the nodes' Tailnet.
	// +required
	TailnetRef TailnetReference `json:"tailnetRef,omitempty,omitzero"`

	// podNetwork is how pod traffic crosses between nodes; the Cilium values read it.
	// +optional
	// +kubebuilder:default={mode: VXLAN, mtu: 1280}
	PodNetwork PodNetwork `json:"podNetwork,omitempty,omitzero"`

	// accounts are the cluster's OCI accounts. Each one's availability domains become failure
	// domains named <account>-<ad>, such as alice-ad-1.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	Accounts []ClusterAccount `json:"accounts,omitempty"`
}

// APIEndpoint is the API server's address.
// +kubebuilder:validation:MinProperties=1
type APIEndpoint struct {
	// host is an IP address or a DNS name.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Host string `json:"host,omitempty"`

	// port of the API server; 6443 where the provider sets it.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
}

// IsZero tells whether neither host nor port is set.
func (e APIEndpoint) IsZero() bool { return e.Host == "" && e.Port == 0 }

// IsValid tells whether both host and port are set.
func (e APIEndpoint) IsValid() bool { return e.Host != "" && e.Port != 0 }

// TailnetReference names a Tailnet.
type TailnetReference struct {
	// name of the Tailnet.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// PodNetwork is how pod traffic crosses between nodes.
// +kubebuilder:validation:MinProperties=1
type PodNetwork struct {
	// mode is VXLAN, with any pod range, or TailnetRoutes, five to ten times as fast between nodes,
	// with a pod range that nothing else in the tailnet has. Immutable.
	// +optional
	// +default="VXLAN"
	// +kubebuilder:default=VXLAN
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="podNetwork.mode is immutable: running pods would lose each other"
	Mode PodNetworkMode `json:"mode,omitempty"`

	// mtu is the tailnet interface's, in bytes: the underlay MTU of the pod network, before the pod
	// network's own overhead.
	// +optional
	// +default=1280
	// +kubebuilder:default=1280
	// +kubebuilder:validation:Minimum=1280
	// +kubebuilder:validation:Maximum=1420
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="podNetwork.mtu is immutable: nodes hold it from their boot, and packets between two sizes would get lost"
	MTU int32 `json:"mtu,omitempty"`

	// nodeCIDRMaskSize is the prefix length of a node's part of the pod network, in bits: the
	// controller manager's --node-cidr-mask-size, with the same default. With mode TailnetRoutes
	// exactly one route of this size is approved for each node.
	// +optional
	// +default=24
	// +kubebuilder:default=24
	// +kubebuilder:validation:Minimum=8
	// +kubebuilder:validation:Maximum=30
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="podNetwork.nodeCIDRMaskSize is immutable: nodes keep the part of the pod network that they were given"
	NodeCIDRMaskSize int32 `json:"nodeCIDRMaskSize,omitempty"`
}

// ClusterAccount is an account of a cluster.
type ClusterAccount struct {
	// name of the OCIAccount.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// controlPlane says whether control planes may be placed in the account.
	// +optional
	// +default=true
	// +kubebuilder:default=true
	ControlPlane *bool `json:"controlPlane,omitempty"`

	// weight is the account's share of the machines: an account of weight 2 gets two machines for
	// each one in an account of weight 1, as far as there is room and failure domains allow.
	// +optional
	// +default=1
	// +kubebuilder:default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Weight int32 `json:"weight,omitempty"`

	// network is the account's network for this cluster: made by the provider, or brought by the
	// user.
	// +optional
	// +kubebuilder:default={managed: {vcnCIDR: "10.0.0.0/16", subnetCIDR: "10.0.0.0/20", gateway: Internet}}
	Network AccountNetwork `json:"network,omitempty,omitzero"`
}

// AccountNetwork is a union: exactly one of its fields is set.
// +kubebuilder:validation:XValidation:rule="has(self.managed) != has(self.existing)",message="exactly one of managed and existing must be set"
// +kubebuilder:validation:XValidation:rule="has(self.managed) == has(oldSelf.managed)",message="a network cannot change between managed and existing: take the account out, and add it again once its network is gone"
// +kubebuilder:validation:MinProperties=1
type AccountNetwork struct {
	// managed has the provider make a VCN with everything for the nodes and nothing more.
	// +optional
	Managed *ManagedNetwork `json:"managed,omitempty"`

	// existing names a network of the user's; the provider neither changes nor deletes it.
	// +optional
	Existing ExistingNetwork `json:"existing,omitempty,omitzero"`
}

// ManagedNetwork is a VCN made by the provider.
// +kubebuilder:validation:XValidation:rule="!has(self.vcnCIDR) || !has(self.subnetCIDR) || !isCIDR(self.vcnCIDR) || !isCIDR(self.subnetCIDR) || cidr(self.vcnCIDR).containsCIDR(self.subnetCIDR)",message="subnetCIDR must lie within vcnCIDR"
type ManagedNetwork struct {
	// vcnCIDR is the VCN's IPv4 range, between /16 and /30. Different accounts may use the same
	// range.
	// +optional
	// +default="10.0.0.0/16"
	// +kubebuilder:default="10.0.0.0/16"
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="isCIDR(self) && cidr(self).ip().family() == 4 && cidr(self).masked() == cidr(self) && cidr(self).prefixLength() >= 16 && cidr(self).prefixLength() <= 30",message="vcnCIDR must be an IPv4 network between /16 and /30"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || !(cidr('100.64.0.0/10').containsCIDR(self) || cidr('169.254.0.0/16').containsCIDR(self))",message="vcnCIDR must not overlap the tailnet's range 100.64.0.0/10 nor 169.254.0.0/16"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="vcnCIDR is immutable"
	VCNCIDR string `json:"vcnCIDR,omitempty"`

	// subnetCIDR is the range of the nodes' subnet within the VCN; OCI keeps three addresses of it.
	// +optional
	// +default="10.0.0.0/20"
	// +kubebuilder:default="10.0.0.0/20"
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="isCIDR(self) && cidr(self).ip().family() == 4 && cidr(self).masked() == cidr(self) && cidr(self).prefixLength() >= 16 && cidr(self).prefixLength() <= 30",message="subnetCIDR must be an IPv4 network between /16 and /30"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="subnetCIDR is immutable"
	SubnetCIDR string `json:"subnetCIDR,omitempty"`

	// gateway is the machines' way to the Internet, with or without public addresses.
	// +optional
	// +default="Internet"
	// +kubebuilder:default=Internet
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="gateway is immutable"
	Gateway GatewayType `json:"gateway,omitempty"`

	// sshFrom are the IPv4 ranges SSH is admitted from; none when it is empty: the tailnet is the
	// way in.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=9
	// +kubebuilder:validation:items:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="self.all(c, isCIDR(c) && cidr(c).ip().family() == 4)",message="sshFrom must hold IPv4 networks such as 192.0.2.0/24"
	SSHFrom []string `json:"sshFrom,omitempty"`
}

// ExistingNetwork is a network of the user's.
type ExistingNetwork struct {
	// subnetID is the OCID of the nodes' subnet. It must let out udp and tcp/443, and let in
	// udp/41641 for direct tailnet connections.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.startsWith('ocid1.subnet.')",message="subnetID must be a subnet's OCID (ocid1.subnet.…)"
	SubnetID string `json:"subnetID,omitempty"`

	// networkSecurityGroupIDs are the OCIDs of the groups of nodes' VNICs.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=5
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	NetworkSecurityGroupIDs []string `json:"networkSecurityGroupIDs,omitempty"`
}

// OCIMeshCluster is the infrastructure of one cluster: its networks in several accounts, its
// endpoint and its tailnet.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=ocimeshclusters,scope=Namespaced,categories=cluster-api,shortName=omc
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Cluster",type="string",JSONPath=".metadata.labels['cluster\\.x-k8s\\.io/cluster-name']"
// +kubebuilder:printcolumn:name="Endpoint",type="string",JSONPath=".spec.controlPlaneEndpoint.host"
// +kubebuilder:printcolumn:name="Endpoint Type",type="string",priority=1,JSONPath=".spec.endpointType"
// +kubebuilder:printcolumn:name="Tailnet",type="string",JSONPath=".spec.tailnetRef.name"
// +kubebuilder:printcolumn:name="Accounts",type="string",JSONPath=".status.usableAccounts"
// +kubebuilder:printcolumn:name="Provisioned",type="boolean",JSONPath=".status.initialization.provisioned"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Message",type="string",priority=1,JSONPath=".status.conditions[?(@.type=='Ready')].message"
type OCIMeshCluster struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state of the cluster's infrastructure.
	// +required
	Spec OCIMeshClusterSpec `json:"spec,omitempty,omitzero"`

	// status is the observed state of the cluster's infrastructure.
	// +optional
	Status OCIMeshClusterStatus `json:"status,omitempty,omitzero"`
}

// OCIMeshClusterList is a list of OCIMeshClusters.
//
// +kubebuilder:object:root=true
type OCIMeshClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []OCIMeshCluster `json:"items"`
}

// GetConditions returns the conditions.
func (c *OCIMeshCluster) GetConditions() []metav1.Condition { return c.Status.Conditions }

// SetConditions replaces the conditions.
func (c *OCIMeshCluster) SetConditions(conditions []metav1.Condition) {
	c.Status.Conditions = conditions
}
