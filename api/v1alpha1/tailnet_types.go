// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TailnetFinalizer keeps a tailnet, and with it the credentials, until it is unused.
const TailnetFinalizer = "tailnet.infrastructure.cluster.x-k8s.io"

// Keys of the Secret of a tailnet's credentials.
const (
	// TailnetClientIDKey holds an OAuth client's id.
	TailnetClientIDKey = "clientID"
	// TailnetClientSecretKey holds an OAuth client's secret.
	TailnetClientSecretKey = "clientSecret"
	// TailnetAPIKeyKey holds an API key.
	TailnetAPIKeyKey = "apiKey"
)

// TailnetCredentialsType is the way the provider authenticates to the tailnet's API.
// +kubebuilder:validation:Enum=OAuthClient;APIKey
type TailnetCredentialsType string

const (
	// OAuthClient uses an OAuth client with the scopes auth_keys, devices:core and devices:routes,
	// and policy_file:read if the policy is to be compared with what nodes need. Headscale has them
	// since 0.30.
	OAuthClient TailnetCredentialsType = "OAuthClient"
	// APIKey uses an API key, Tailscale's or Headscale's.
	APIKey TailnetCredentialsType = "APIKey"
)

// RouteApproval says who approves the nodes' advertised routes.
// +kubebuilder:validation:Enum=Provider;Policy
type RouteApproval string

const (
	// RouteApprovalProvider lets this provider approve exactly the routes it asked a node to
	// advertise.
	RouteApprovalProvider RouteApproval = "Provider"
	// RouteApprovalPolicy leaves it to autoApprovers of the tailnet's policy.
	RouteApprovalPolicy RouteApproval = "Policy"
)

// ByProvider tells whether this provider approves routes. Nobody does for an unknown value.
func (a RouteApproval) ByProvider() bool {
	switch a {
	case RouteApprovalProvider:
		return true
	case RouteApprovalPolicy:
		return false
	}
	return false
}

// ByPolicy tells whether the tailnet's policy approves routes.
func (a RouteApproval) ByPolicy() bool {
	switch a {
	case RouteApprovalPolicy:
		return true
	case RouteApprovalProvider:
		return false
	}
	return false
}

// TailnetSpec describes a tailnet, the provider's access to it and the settings for its nodes.
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.vipRange) || (has(self.vipRange) && self.vipRange == oldSelf.vipRange)",message="vipRange is immutable: clusters hold addresses of it"
// +kubebuilder:validation:XValidation:rule="has(self.loginServer) == has(oldSelf.loginServer) && (!has(self.loginServer) || self.loginServer == oldSelf.loginServer)",message="loginServer is immutable: nodes have logged in there; make another Tailnet"
// +kubebuilder:validation:XValidation:rule="!has(self.podRanges) || !has(self.vipRange) || self.podRanges.all(r, !cidr(r).containsCIDR(self.vipRange) && !cidr(self.vipRange).containsCIDR(r))",message="podRanges must not overlap vipRange"
// +kubebuilder:validation:XValidation:rule="self.nodeTags.all(t, !(t in self.controlPlaneTags))",message="nodeTags and controlPlaneTags must have no tag in common: with it a worker could pass for a control plane"
type TailnetSpec struct {
	// loginServer is the URL for nodes to log in to (tailscale up --login-server). Empty means
	// Tailscale's own; Headscale's users set their server's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.startsWith('https://') || self.startsWith('http://')",message="loginServer must be an http or https URL"
	LoginServer string `json:"loginServer,omitempty"`

	// apiURL is the base URL of the API, without its path. Empty means the login server's, or
	// Tailscale's own when loginServer is empty too.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.startsWith('https://') || self.startsWith('http://')",message="apiURL must be an http or https URL"
	APIURL string `json:"apiURL,omitempty"`

	// tailnetName is the tailnet's name in API calls; "-" is the credentials' own.
	// +optional
	// +default="-"
	// +kubebuilder:default="-"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="tailnetName is immutable: nodes have joined that tailnet; make another Tailnet"
	TailnetName string `json:"tailnetName,omitempty"`

	// credentials is how the provider authenticates.
	// +required
	Credentials TailnetCredentials `json:"credentials,omitempty,omitzero"`

	// nodeTags are the tags of worker nodes' keys.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=5
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.matches('^tag:[a-zA-Z][a-zA-Z0-9-]*$'))",message="tags have the form tag:name, with letters, digits and hyphens"
	NodeTags []string `json:"nodeTags,omitempty"`

	// controlPlaneTags are the tags of control-plane nodes' keys. Only these tags should be able to
	// have the VIP range's routes approved: the node advertising the VIP is the API server.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=5
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.all(t, t.matches('^tag:[a-zA-Z][a-zA-Z0-9-]*$'))",message="tags have the form tag:name, with letters, digits and hyphens"
	ControlPlaneTags []string `json:"controlPlaneTags,omitempty"`

	// vipRange is the IPv4 range for control-plane VIPs. It must overlap neither 100.64.0.0/10 nor
	// any VCN, pod or service range of the clusters using it.
	// +optional
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="isCIDR(self) && cidr(self).ip().family() == 4 && cidr(self).masked() == cidr(self)",message="vipRange must be an IPv4 network such as 10.250.0.0/16"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || (cidr(self).prefixLength() >= 8 && cidr(self).prefixLength() <= 30)",message="vipRange must be between /8 and /30"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || !(cidr('100.64.0.0/10').containsCIDR(self) || cidr(self).containsCIDR('100.64.0.0/10'))",message="vipRange must not overlap the tailnet's own range 100.64.0.0/10"
	// +kubebuilder:validation:XValidation:rule="!isCIDR(self) || !['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '255.255.255.255/32'].exists(r, cidr(r).containsCIDR(self) || cidr(self).containsCIDR(r))",message="vipRange must not overlap addresses that no machine can hold: 0.0.0.0/8, loopback 127.0.0.0/8, link-local 169.254.0.0/16, multicast 224.0.0.0/4, broadcast"
	VIPRange string `json:"vipRange,omitempty"`

	// podRanges are the IPv4 ranges to choose pod networks from, for clusters with pod network mode
	// TailnetRoutes: the whole tailnet sends their addresses to nodes. Empty means all of RFC 1918:
	// 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16. Name ranges that nothing else in the tailnet has;
	// pods may then lie within a network with a router of its own, too.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=9
	// +kubebuilder:validation:items:MaxLength=18
	// +kubebuilder:validation:XValidation:rule="self.all(r, isCIDR(r) && cidr(r).ip().family() == 4 && cidr(r).masked() == cidr(r) && cidr(r).prefixLength() >= 8)",message="podRanges must hold IPv4 networks of /8 or longer, such as 10.244.0.0/14"
	// +kubebuilder:validation:XValidation:rule="self.all(r, !isCIDR(r) || !['0.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '255.255.255.255/32'].exists(x, cidr(x).containsCIDR(r) || cidr(r).containsCIDR(x)))",message="podRanges must overlap neither the tailnet's own range 100.64.0.0/10 nor addresses that no pod can hold: 0.0.0.0/8, loopback 127.0.0.0/8, link-local 169.254.0.0/16, multicast 224.0.0.0/4, broadcast"
	PodRanges []string `json:"podRanges,omitempty"`

	// routeApproval says who approves the nodes' advertised routes: the VIP's and, with
	// TailnetRoutes, the pods'.
	// +optional
	// +default="Provider"
	// +kubebuilder:default=Provider
	RouteApproval RouteApproval `json:"routeApproval,omitempty"`

	// allowedNamespaces limits the namespaces of clusters using this tailnet.
	// +required
	AllowedNamespaces AllowedNamespaces `json:"allowedNamespaces,omitempty,omitzero"`
}

// TailnetCredentials is a union, discriminated by type.
type TailnetCredentials struct {
	// type of the credentials.
	// +required
	Type TailnetCredentialsType `json:"type,omitempty"`

	// secretRef names the Secret: keys clientID and clientSecret for OAuthClient, apiKey for
	// APIKey.
	// +required
	SecretRef SecretReference `json:"secretRef,omitempty,omitzero"`
}

// TailnetStatus is the observed state of the tailnet.
// +kubebuilder:validation:MinProperties=1
type TailnetStatus struct {
	// conditions tell the tailnet's state: Ready, CredentialsValid, PolicyReady, StraysAbsent,
	// RangesDistinct, Deleting.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// unavailableSince is when the coordination server stopped answering; absent while it answers.
	// +optional
	UnavailableSince metav1.Time `json:"unavailableSince,omitempty,omitzero"`

	// availableSince is when it last began to answer again; absent during an outage, and if there
	// was none. Machines have some minutes from then to become healthy before they are repaired.
	// +optional
	AvailableSince metav1.Time `json:"availableSince,omitempty,omitzero"`

	// vipAllocations are the addresses given to clusters. The list is the lock: an address is taken
	// by an update of this object, failing on conflict, so two clusters never get the same one.
	// +optional
	// +listType=map
	// +listMapKey=address
	// +kubebuilder:validation:MaxItems=1024
	VIPAllocations []VIPAllocation `json:"vipAllocations,omitempty"`

	// users are the OCIMeshClusters using the tailnet; it cannot be deleted while there are any. At
	// most 64 are named.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Users []ObjectUser `json:"users,omitempty"`

	// strays are devices and keys of the tailnet with this provider's marks but no object in this
	// management cluster. Nothing removes them: they may be another management cluster's.
	// +optional
	Strays TailnetStrays `json:"strays,omitempty,omitzero"`
}

// TailnetStrays are devices with this provider's tags, and keys with its description, but no
// object.
// +kubebuilder:validation:MinProperties=1
type TailnetStrays struct {
	// deviceCount is the number of devices; absent until the first list.
	// +optional
	// +kubebuilder:validation:Minimum=0
	DeviceCount *int32 `json:"deviceCount,omitempty"`

	// devices are the earliest seen, at most 16.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=16
	Devices []StrayDevice `json:"devices,omitempty"`

	// keyCount is the number of keys; absent until the first list.
	// +optional
	// +kubebuilder:validation:Minimum=0
	KeyCount *int32 `json:"keyCount,omitempty"`

	// keys are the earliest seen, at most 16.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=16
	Keys []StrayKey `json:"keys,omitempty"`
}

// StrayDevice is a device with this provider's tags but in no object's status.
type StrayDevice struct {
	// id is the coordination server's.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id,omitempty"`

	// hostname is the device's own, shortened if it is longer.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	Hostname string `json:"hostname,omitempty"`

	// since is when the provider first saw the device without an object; a restart starts over.
	// +optional
	Since metav1.Time `json:"since,omitempty,omitzero"`
}

// StrayKey is a key with this provider's description but no existing object.
type StrayKey struct {
	// id is the coordination server's.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id,omitempty"`

	// description of the key.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Description string `json:"description,omitempty"`

	// since is when the provider first saw the key without an object; a restart starts over.
	// +optional
	Since metav1.Time `json:"since,omitempty,omitzero"`
}

// VIPAllocation is an address held by a cluster.
type VIPAllocation struct {
	// address is the control-plane VIP.
	// +required
	// +kubebuilder:validation:MinLength=7
	// +kubebuilder:validation:MaxLength=15
	Address string `json:"address,omitempty"`

	// namespace of the OCIMeshCluster.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// name of the OCIMeshCluster.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// uid of the OCIMeshCluster.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid,omitempty"`
}

// Tailnet is a Tailscale or Headscale network connecting the nodes of clusters.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=tailnets,scope=Cluster,categories=cluster-api,shortName=tnet
// +kubebuilder:storageversion
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Login Server",type="string",JSONPath=".spec.loginServer"
// +kubebuilder:printcolumn:name="VIP Range",type="string",JSONPath=".spec.vipRange"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].status"
// +kubebuilder:printcolumn:name="Reason",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].reason"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:printcolumn:name="Stray Devices",type="integer",priority=1,JSONPath=".status.strays.deviceCount"
// +kubebuilder:printcolumn:name="Stray Keys",type="integer",priority=1,JSONPath=".status.strays.keyCount"
// +kubebuilder:printcolumn:name="Message",type="string",priority=1,JSONPath=".status.conditions[?(@.type=='Ready')].message"
type Tailnet struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired state of the tailnet.
	// +required
	Spec TailnetSpec `json:"spec,omitempty,omitzero"`

	// status is the observed state of the tailnet.
	// +optional
	Status TailnetStatus `json:"status,omitempty,omitzero"`
}

// TailnetList is a list of Tailnets.
//
// +kubebuilder:object:root=true
type TailnetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Tailnet `json:"items"`
}

// GetConditions returns the conditions.
func (t *Tailnet) GetConditions() []metav1.Condition { return t.Status.Conditions }

// SetConditions replaces the conditions.
func (t *Tailnet) SetConditions(conditions []metav1.Condition) { t.Status.Conditions = conditions }
