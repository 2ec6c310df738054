// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

// codeBadErrorResponse is the SDK's code for an error body other than OCI's JSON: a proxy or
// another server answered.
const codeBadErrorResponse = "BadErrorResponse"

// mapError is the one place where errors of the SDK become ours. ctx is the caller's: its
// cancellation passes through, the client's own timeout does not. raw may be nil.
func mapError(ctx context.Context, op operation, err error, raw *http.Response) error {
	if err == nil {
		return nil
	}
	// errors.As on the interface: the SDK's IsServiceError is a bare type assertion and does not
	// see through wrapping.
	var failure common.ServiceError
	if errors.As(err, &failure) {
		return serviceError(op, failure, err, raw)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fmt.Errorf("%s: %w", op.name, context.Canceled)
	}
	e := &cloud.Error{Kind: cloud.Unknown, Service: op.service, Operation: op.name}
	e.Kind, e.Err = transportKind(err)
	e.Message = cloud.Scrub(transportMessage(err), op.secrets...)
	if raw != nil {
		// An unreadable answer: the request has probably taken effect.
		e.Kind, e.Status, e.RequestID = cloud.Unavailable, raw.StatusCode, raw.Header.Get("opc-request-id")
		e.Message = "the service's answer cannot be read"
	}
	return e
}

func serviceError(op operation, failure common.ServiceError, err error, raw *http.Response) error {
	e := &cloud.Error{
		Service:   op.service,
		Operation: op.name,
		Status:    failure.GetHTTPStatusCode(),
		Code:      cloud.Scrub(failure.GetCode()),
		Message:   cloud.Scrub(failure.GetMessage(), op.secrets...),
		RequestID: cloud.Scrub(failure.GetOpcRequestID()),
	}
	if raw != nil {
		e.RetryAfter = retryAfter(raw.Header.Get("Retry-After"))
	}
	e.Kind = serviceKind(e.Status, e.Code, e.Message)
	if e.Code == codeBadErrorResponse {
		// The SDK puts the whole body into the message.
		e.Message = "the answer is not OCI's; the endpoint, or a proxy before it, is not an OCI service"
	}
	var signing *signError
	if errors.As(err, &signing) {
		e.Message = cloud.Scrub("no token to sign requests with: "+e.Message, op.secrets...)
		if e.Status/100 == 4 && e.Kind != cloud.Throttled {
			e.Kind = cloud.Unauthenticated
		}
	}
	return e
}

// serviceKind judges an answer. Codes come first: some services send them with other statuses.
// Source: OCI documentation, "API Errors"; the capacity text is also how work requests report it
// (karpenter-provider-oci #36).
func serviceKind(status int, code, message string) cloud.Kind {
	switch code {
	case "LimitExceeded", "ServiceLimitExceeded":
		return cloud.LimitExceeded
	case "QuotaExceeded":
		return cloud.QuotaExceeded
	case "OutOfHostCapacity", "OutOfCapacity":
		return cloud.OutOfCapacity
	case "TooManyRequests":
		return cloud.Throttled
	case "NotAuthorizedOrResourceAlreadyExists":
		return cloud.ExistsOrUnauthorized
	case "RelatedResourceNotAuthorizedOrNotFound":
		return cloud.RelatedNotFoundOrUnauthorized
	case codeBadErrorResponse:
		// Whatever it says proves nothing: OCI may have done what was asked.
		if status != http.StatusTooManyRequests {
			return cloud.Unavailable
		}
	}
	lower := strings.ToLower(message)
	if mayTellOfCapacity(status) && (strings.Contains(lower, "out of host capacity") || strings.Contains(lower, "out of capacity")) {
		return cloud.OutOfCapacity
	}
	if status == 0 {
		// A work request has codes and no status.
		if kind, told := workKind(code, lower); told {
			return kind
		}
		status = statusOf[code]
	}
	return statusKind(status)
}

// workKind judges what only work requests say: an instance pool's has a code of its own (OCI
// documentation, "Using Instance Configurations and Instance Pools", limitations), or the code that
// a launch was refused with in its message (kubernetes/autoscaler, oci_instance_pool_cache.go,
// firstUnrecoverableErrorForWorkRequest).
func workKind(code, lowerMessage string) (kind cloud.Kind, told bool) {
	switch {
	case strings.Contains(lowerMessage, "quotaexceeded"):
		return cloud.QuotaExceeded, true
	case strings.Contains(lowerMessage, "limitexceeded"), code == "ServiceLimit":
		return cloud.LimitExceeded, true
	case strings.Contains(lowerMessage, "outofcapacity"):
		return cloud.OutOfCapacity, true
	}
	return cloud.Unknown, false
}

// mayTellOfCapacity tells whether words of capacity count with the status. OCI sends them with 500,
// 400 and 409. 401 and 404 are of the credentials and of what is missing, whatever they say; 0 is a
// work request's.
func mayTellOfCapacity(status int) bool {
	return status == 0 || status >= 400 && status != http.StatusUnauthorized && status != http.StatusNotFound
}

// statusOf are the statuses of codes by which work requests may fail (OCI documentation, "API
// Errors").
var statusOf = map[string]int{
	"CannotParseRequest": http.StatusBadRequest, "InvalidParameter": http.StatusBadRequest, "MissingParameter": http.StatusBadRequest,
	"NotAuthenticated": http.StatusUnauthorized, "NotAllowed": http.StatusForbidden, "NotAuthorized": http.StatusForbidden,
	"NotAuthorizedOrNotFound": http.StatusNotFound, "NotFound": http.StatusNotFound,
	"IncorrectState": http.StatusConflict, "Conflict": http.StatusConflict,
}

func statusKind(status int) cloud.Kind {
	switch {
	case status == http.StatusUnauthorized:
		return cloud.Unauthenticated
	case status == http.StatusForbidden:
		return cloud.Forbidden
	case status == http.StatusNotFound:
		return cloud.NotFoundOrUnauthorized
	case status == http.StatusRequestTimeout:
		return cloud.Unavailable
	case status == http.StatusConflict, status == http.StatusPreconditionFailed:
		return cloud.Conflict
	case status == http.StatusTooManyRequests:
		return cloud.Throttled
	case status >= 500:
		return cloud.Unavailable
	case status >= 400:
		return cloud.InvalidRequest
	}
	return cloud.Unknown
}

// transportKind judges an error without an answer, and returns its useful part for callers. A
// request refused by the SDK itself matches none of the network's errors.
func transportKind(err error) (cloud.Kind, error) {
	var signing *signError
	var netErr net.Error
	var urlErr *url.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return cloud.Unavailable, context.DeadlineExceeded
	case errors.As(err, &urlErr):
		return cloud.Unavailable, urlErr.Err
	case errors.As(err, &netErr):
		return cloud.Unavailable, netErr
	case errors.As(err, &signing):
		return cloud.Unauthenticated, nil
	case strings.Contains(err.Error(), "panicked while retrying"):
		return cloud.Unknown, nil
	}
	return cloud.InvalidRequest, nil
}

// transportMessage leaves out the URL: it is long and adds nothing to the operation.
func transportMessage(err error) string {
	var urlErr *url.Error
	var dnsErr *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &dnsErr):
		return "the host name " + dnsErr.Name + " cannot be resolved; the region may not exist"
	case errors.As(err, &urlErr):
		return urlErr.Err.Error()
	}
	return err.Error()
}

// retryAfter reads the header's two forms, seconds and a date. It is 0 if there is none.
func retryAfter(header string) time.Duration {
	if seconds, err := strconv.Atoi(header); err == nil && seconds > 0 {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
