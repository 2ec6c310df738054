// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"net/http"
	"regexp"
	"time"

	"github.com/go-logr/logr"
	"github.com/oracle/oci-go-sdk/v65/common"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// Names of services, as in metrics, logs and errors.
const (
	serviceCompute      = "compute"
	serviceNetwork      = "network"
	serviceBlockstorage = "blockstorage"
	serviceIdentity     = "identity"
	serviceLimits       = "limits"
	serviceWorkRequests = "workrequests"
	serviceNLB          = "networkloadbalancer"
	serviceLB           = "loadbalancer"
)

// PageSize is OCI's maximum of items in a page. Lists that grow with the machines ask for it: OCI's
// default differs by service, and is lower. Source: "limit" of the operations in the reference of
// the same API,
// https://docs.oracle.com/en/engineered-systems/private-cloud-appliance/3.0-latest/ceapi/op-20160918-instances-get.html
const PageSize = 1000

// instancePageSize keeps an answer below a few megabytes: an instance comes with its metadata, with
// up to 32,000 bytes of user data, and a call has only the client's timeout. Over a line of less
// than 2 Mbit/s, raise --request-timeout.
const instancePageSize = 250

// callLogLevel is the verbosity for logging each call.
const callLogLevel = 4

// pathSafe matches text safe to become a part of a request's path. The SDK does not escape it, so
// an OCID given by a user could lead to another resource.
var pathSafe = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*$`)

// operation describes a call to metrics, logs and errors.
type operation struct {
	service, name string
	// onResource is set if id is a part of the path.
	onResource bool
	id         string
	// secrets must not show in an error.
	secrets []string
}

// on marks an operation with the resource's OCID in its path.
func (o operation) on(id string) operation {
	o.onResource, o.id = true, id
	return o
}

// call makes one call, once the account's budget allows, within the client's timeout, measured,
// logged and with its error mapped. It never logs a body or a header other than the request ID.
func call[Req any, Resp common.OCIResponse](
	ctx context.Context, c *Client, op operation, do func(context.Context, Req) (Resp, error), request Req,
) (Resp, error) {
	var response Resp
	if op.onResource && !pathSafe.MatchString(op.id) {
		return response, &cloud.Error{
			Kind: cloud.InvalidRequest, Service: op.service, Operation: op.name,
			Message: cloud.Scrub("not an OCID: " + op.id),
		}
	}
	admitted, err := c.gate.enter(ctx, op)
	if err != nil {
		return response, err
	}
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	start := time.Now()
	response, err = do(detached(bounded), request)
	duration := time.Since(start)

	raw := rawResponse(response)
	err = mapError(ctx, op, err, raw)
	c.gate.leave(admitted, err)
	c.metrics.observe(c.account, op, err, duration)
	c.log(ctx, op, err, raw, duration)
	return response, err
}

func (c *Client) log(ctx context.Context, op operation, err error, raw *http.Response, duration time.Duration) {
	log := logr.FromContextOrDiscard(ctx).V(callLogLevel)
	if !log.Enabled() {
		return
	}
	status, requestID := 0, ""
	if raw != nil {
		status, requestID = raw.StatusCode, raw.Header.Get("opc-request-id")
	}
	log.Info("Called OCI", "OCIAccount", accountRef(c.account), "region", c.region, "service", op.service, "operation", op.name,
		"result", resultOf(err), "status", status, "requestID", requestID, "duration", duration)
}

// accountRef is an account's name, logged as klog's references to objects are.
type accountRef string

// String returns the name.
func (a accountRef) String() string { return string(a) }

// MarshalLog is for structured logs.
func (a accountRef) MarshalLog() any {
	return struct {
		Name string `json:"name"`
	}{string(a)}
}

// rawResponse is nil if there was no answer.
func rawResponse(response any) *http.Response {
	// A nil interface: the SDK failed before there was a response struct.
	r, ok := response.(common.OCIResponse)
	if !ok {
		return nil
	}
	return r.HTTPResponse()
}

// pager reads a list to its last page.
type pager[Req any, Resp common.OCIResponse, Item any] struct {
	op      operation
	do      func(context.Context, Req) (Resp, error)
	request Req
	// turn sets the request's page.
	turn func(*Req, *string)
	// read takes the items and the next page from a response.
	read func(Resp) ([]Item, *string)
}

func listAll[Req any, Resp common.OCIResponse, Item any](
	ctx context.Context, c *Client, p pager[Req, Resp, Item],
) ([]Item, error) {
	var all []Item
	last := ""
	for {
		response, err := call(ctx, c, p.op, p.do, p.request)
		if err != nil {
			return nil, err
		}
		items, next := p.read(response)
		all = append(all, items...)
		if value(next) == "" {
			return all, nil
		}
		if *next == last {
			return nil, &cloud.Error{
				Kind: cloud.Unavailable, Service: p.op.service, Operation: p.op.name,
				Message: "the service names the same page again as the next one",
			}
		}
		last = *next
		p.turn(&p.request, next)
	}
}
