// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

// NetworkLoadBalancer is OCI's network load balancer.
type NetworkLoadBalancer struct {
	Meta
	SubnetID                    string                `json:"subnetId"`
	IPAddresses                 []BalancerIP          `json:"ipAddresses"`
	IsPrivate                   bool                  `json:"isPrivate"`
	IsPreserveSourceDestination bool                  `json:"isPreserveSourceDestination"`
	IsSymmetricHashEnabled      bool                  `json:"isSymmetricHashEnabled"`
	NlbIPVersion                string                `json:"nlbIpVersion"`
	NetworkSecurityGroupIDs     []string              `json:"networkSecurityGroupIds"`
	Listeners                   map[string]Listener   `json:"listeners"`
	BackendSets                 map[string]BackendSet `json:"backendSets"`

	privateIP string
}

// BalancerIP is an address of a load balancer.
type BalancerIP struct {
	IPAddress string `json:"ipAddress"`
	IsPublic  bool   `json:"isPublic"`
	IPVersion string `json:"ipVersion"`
}

// Listener takes traffic for a backend set.
type Listener struct {
	Name                  string `json:"name" oci:"required"`
	DefaultBackendSetName string `json:"defaultBackendSetName" oci:"required"`
	Port                  *int   `json:"port" oci:"required"`
	Protocol              string `json:"protocol" oci:"required" enum:"ANY|TCP|UDP|TCP_AND_UDP|L3IP"`
	IPVersion             string `json:"ipVersion,omitempty" enum:"IPV4|IPV6"`
	IsPpv2Enabled         *bool  `json:"isPpv2Enabled,omitempty"`
	TCPIdleTimeout        *int   `json:"tcpIdleTimeout,omitempty"`
	UDPIdleTimeout        *int   `json:"udpIdleTimeout,omitempty"`
	L3IPIdleTimeout       *int   `json:"l3IpIdleTimeout,omitempty"`
}

// BackendSet is a group of backends and their health check.
type BackendSet struct {
	Name                             string         `json:"name"`
	HealthChecker                    *HealthChecker `json:"healthChecker" oci:"required"`
	Policy                           string         `json:"policy" enum:"TWO_TUPLE|THREE_TUPLE|FIVE_TUPLE"`
	IPVersion                        string         `json:"ipVersion,omitempty" enum:"IPV4|IPV6"`
	IsPreserveSource                 *bool          `json:"isPreserveSource,omitempty"`
	IsFailOpen                       *bool          `json:"isFailOpen,omitempty"`
	IsInstantFailoverEnabled         *bool          `json:"isInstantFailoverEnabled,omitempty"`
	IsInstantFailoverTCPResetEnabled *bool          `json:"isInstantFailoverTcpResetEnabled,omitempty"`
	AreActiveBackendsPreferred       *bool          `json:"areOperationallyActiveBackendsPreferred,omitempty"`
	Backends                         []Backend      `json:"backends"`
}

// HealthChecker says how backends are probed.
type HealthChecker struct {
	Protocol          string         `json:"protocol" oci:"required" enum:"HTTP|HTTPS|TCP|UDP|DNS"`
	Port              *int           `json:"port,omitempty"`
	Retries           *int           `json:"retries,omitempty"`
	TimeoutInMillis   *int           `json:"timeoutInMillis,omitempty"`
	IntervalInMillis  *int           `json:"intervalInMillis,omitempty"`
	URLPath           string         `json:"urlPath,omitempty"`
	ResponseBodyRegex string         `json:"responseBodyRegex,omitempty"`
	ReturnCode        *int           `json:"returnCode,omitempty"`
	RequestData       string         `json:"requestData,omitempty"`
	ResponseData      string         `json:"responseData,omitempty"`
	DNS               map[string]any `json:"dns,omitempty"`
}

// Backend is a server behind a load balancer.
type Backend struct {
	Name      string `json:"name,omitempty"`
	IPAddress string `json:"ipAddress,omitempty"`
	TargetID  string `json:"targetId,omitempty"`
	Port      *int   `json:"port" oci:"required"`
	Weight    *int   `json:"weight,omitempty"`
	IsDrain   *bool  `json:"isDrain,omitempty"`
	IsBackup  *bool  `json:"isBackup,omitempty"`
	IsOffline *bool  `json:"isOffline,omitempty"`
}
