// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import "time"

// LoadBalancer is OCI's classic load balancer. It knows no UPDATING: its states
// are those of oci-go-sdk loadbalancer/load_balancer.go.
type LoadBalancer struct {
	Meta
	ShapeName                 string                  `json:"shapeName"`
	ShapeDetails              *LbShape                `json:"shapeDetails,omitempty"`
	IPAddresses               []LbIP                  `json:"ipAddresses"`
	IsPrivate                 bool                    `json:"isPrivate"`
	IsDeleteProtectionEnabled bool                    `json:"isDeleteProtectionEnabled"`
	SubnetIDs                 []string                `json:"subnetIds"`
	NetworkSecurityGroupIDs   []string                `json:"networkSecurityGroupIds"`
	Listeners                 map[string]LbListener   `json:"listeners"`
	BackendSets               map[string]LbBackendSet `json:"backendSets"`

	privateIP string
	changing  bool
}

// LbShape is the bandwidth of a flexible load balancer, in Mbps.
type LbShape struct {
	Minimum *int `json:"minimumBandwidthInMbps" oci:"required"`
	Maximum *int `json:"maximumBandwidthInMbps" oci:"required"`
}

// LbIP is an address of a classic load balancer.
type LbIP struct {
	IPAddress string `json:"ipAddress"`
	IsPublic  bool   `json:"isPublic"`
}

// LbListener takes traffic for a backend set. Its name is its key.
type LbListener struct {
	Name                  string `json:"name"`
	DefaultBackendSetName string `json:"defaultBackendSetName" oci:"required"`
	Port                  *int   `json:"port" oci:"required"`
	Protocol              string `json:"protocol" oci:"required" enum:"HTTP|HTTP2|TCP|GRPC"`
}

// LbBackendSet is a group of backends and their health check. Its name is its key.
type LbBackendSet struct {
	Name          string           `json:"name"`
	Policy        string           `json:"policy" oci:"required" enum:"ROUND_ROBIN|LEAST_CONNECTIONS|IP_HASH"`
	HealthChecker *LbHealthChecker `json:"healthChecker" oci:"required"`
	Backends      []LbBackend      `json:"backends"`
}

// LbHealthChecker says how backends are probed.
type LbHealthChecker struct {
	Protocol          string  `json:"protocol" oci:"required" enum:"HTTP|TCP"`
	Port              *int    `json:"port"`
	Retries           *int    `json:"retries"`
	TimeoutInMillis   *int    `json:"timeoutInMillis"`
	IntervalInMillis  *int    `json:"intervalInMillis"`
	URLPath           string  `json:"urlPath,omitempty"`
	ReturnCode        *int    `json:"returnCode"`
	ResponseBodyRegex *string `json:"responseBodyRegex"`
	IsForcePlainText  *bool   `json:"isForcePlainText,omitempty"`
}

// LbBackend is a server behind a classic load balancer. Its name is <address>:<port>.
type LbBackend struct {
	Name      string `json:"name"`
	IPAddress string `json:"ipAddress" oci:"required"`
	Port      *int   `json:"port" oci:"required"`
	Weight    *int   `json:"weight"`
	Drain     bool   `json:"drain"`
	Backup    bool   `json:"backup"`
	Offline   bool   `json:"offline"`
}

// LbWorkRequest follows a change of a classic load balancer, in the service's own form of work
// requests (oci-go-sdk loadbalancer/work_request.go).
type LbWorkRequest struct {
	ID             string     `json:"id"`
	LoadBalancerID string     `json:"loadBalancerId"`
	CompartmentID  string     `json:"compartmentId"`
	Type           string     `json:"type"`
	LifecycleState string     `json:"lifecycleState"`
	Message        string     `json:"message"`
	TimeAccepted   time.Time  `json:"timeAccepted"`
	TimeFinished   *time.Time `json:"timeFinished,omitempty"`
	ErrorDetails   []any      `json:"errorDetails"`

	base Meta
}

func (w *LbWorkRequest) meta() *Meta { return &w.base }
