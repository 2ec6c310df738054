// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"net/netip"
	"net/url"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// The states of load balancers; the classic kind has no UPDATING. Source: the lifecycleState of
// NetworkLoadBalancer and LoadBalancer in OCI's APIs of these names.
const (
	StateCreating LifecycleState = "CREATING"
	StateActive   LifecycleState = "ACTIVE"
	StateDeleting LifecycleState = "DELETING"
	StateDeleted  LifecycleState = "DELETED"
	StateFailed   LifecycleState = "FAILED"
)

// Protocols of listeners and health checks, as both kinds of load balancers name them.
const (
	BalancerTCP   = "TCP"
	BalancerHTTPS = "HTTPS"
)

// Balancer is a load balancer, of either kind.
type Balancer struct {
	Resource
	// Private is set if it has no public address.
	Private bool
	// Address is where clients reach it: the public IPv4 address, or the private one of a private
	// load balancer. It is not valid before there is one.
	Address netip.Addr
	// SubnetID is its subnet; NSGIDs are the groups filtering its traffic.
	SubnetID string
	NSGIDs   []string
	// Listeners and BackendSets go by name.
	Listeners   map[string]Listener
	BackendSets map[string]BackendSet
	// Bandwidth is a flexible load balancer's; a network load balancer has none.
	Bandwidth Bandwidth
}

// Listener takes connections for a backend set.
type Listener struct {
	Port       int
	Protocol   string
	BackendSet string
}

// BackendSet is a group of backends with their health check.
type BackendSet struct {
	Policy string
	// PreserveSource and FailOpen are a network load balancer's only: whether backends see the
	// client's address, and whether connections are passed on when no backend is healthy.
	PreserveSource, FailOpen bool
	Health                   HealthCheck
	Backends                 []Backend
}

// HealthCheck is how backends are probed.
type HealthCheck struct {
	Protocol string
	Port     int
	// Path and ReturnCode are for HTTP and HTTPS.
	Path       string
	ReturnCode int
	// Interval and Timeout are whole milliseconds.
	Interval, Timeout time.Duration
	// Retries is after how many answers in a row a backend's health changes.
	Retries int
}

// Backend is a server behind a load balancer.
type Backend struct {
	// Name is unique in the backend set. A network load balancer takes a given one; a classic one
	// makes address:port.
	Name    string
	Address netip.Addr
	Port    int
}

// Bandwidth of a flexible load balancer, in Mbps.
type Bandwidth struct{ Minimum, Maximum int }

// BalancerSpec is a load balancer to create.
type BalancerSpec struct {
	DisplayName string
	SubnetID    string
	NSGIDs      []string
	Private     bool
	// ReservedIPID is the reserved public IP to take; empty leaves the choice to OCI.
	ReservedIPID string
	// PrivateIP is the address of the subnet to take; not valid leaves the choice to OCI. Of
	// network load balancers only.
	PrivateIP   netip.Addr
	Listeners   map[string]Listener
	BackendSets map[string]BackendSet
	Bandwidth   Bandwidth
	Tags        map[string]string
	// RetryToken makes repeated creations one, for 24 hours.
	RetryToken string
}

// BalancerWork is the progress of a change of a load balancer.
type BalancerWork struct {
	// Ended is set once OCI is done with it, successfully or not.
	Ended bool
	// BalancerID is the load balancer's OCID; may be empty at first.
	BalancerID string
	// Failure is the reason of a failed change; else nil.
	Failure *cloud.Error
}

// balancerChange makes a call answered with a work request only.
func balancerChange[Req any, Resp common.OCIResponse](
	ctx context.Context, c *Client, op operation, do func(context.Context, Req) (Resp, error), request Req, work func(Resp) *string,
) (workRequestID string, err error) {
	response, err := call(ctx, c, op, do, request)
	if err != nil {
		return "", err
	}
	return value(work(response)), nil
}

// pathPart makes a backend's name a part of a path. The SDK does not escape it, and sends escaped
// text unchanged.
func pathPart(name string) *string {
	escaped := url.QueryEscape(name)
	return &escaped
}

// workFailure is the failure of a work request, scrubbed, of the kind it would have had as a direct
// answer.
func workFailure(service, code, message string) *cloud.Error {
	code, message = cloud.Scrub(code), cloud.Scrub(message)
	return &cloud.Error{Kind: serviceKind(0, code, message), Service: service, Operation: "WorkRequest", Code: code, Message: message}
}

func millis(d time.Duration) *int {
	ms := int(d.Milliseconds())
	return &ms
}

func duration(ms *int) time.Duration { return time.Duration(value(ms)) * time.Millisecond }
