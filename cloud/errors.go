// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Kind classifies an error for the caller: kinds differ where the right reaction differs.
type Kind string

const (
	// NotFoundOrUnauthorized is OCI's 404 NotAuthorizedOrNotFound: the resource is gone, or the
	// permission to see it is. It is no evidence of absence by itself.
	NotFoundOrUnauthorized Kind = "NotFoundOrUnauthorized"
	// RelatedNotFoundOrUnauthorized is OCI's 400 RelatedResourceNotAuthorizedOrNotFound: what the
	// request refers to is gone, or may not be used. It says nothing of the resource itself.
	RelatedNotFoundOrUnauthorized Kind = "RelatedNotFoundOrUnauthorized"
	// ExistsOrUnauthorized is OCI's 409 NotAuthorizedOrResourceAlreadyExists: what is to be created
	// exists already, or the permission to create it is missing. It does not pass by itself.
	ExistsOrUnauthorized Kind = "ExistsOrUnauthorized"
	// Unauthenticated is 401: the service does not know the key, the token, the user or the
	// tenancy.
	Unauthenticated Kind = "Unauthenticated"
	// Forbidden is 403: the caller is known and may not do this.
	Forbidden Kind = "Forbidden"
	// InvalidCredentials are unusable credentials, never sent, such as a malformed PEM key.
	InvalidCredentials Kind = "InvalidCredentials"
	// OutOfCapacity means that the data centre has no host left for the shape in the requested
	// place.
	OutOfCapacity Kind = "OutOfCapacity"
	// LimitExceeded means an exhausted service limit, set by the cloud.
	LimitExceeded Kind = "LimitExceeded"
	// QuotaExceeded means an exhausted quota, set by the account's administrators.
	QuotaExceeded Kind = "QuotaExceeded"
	// Throttled is 429: too many requests; see Error.RetryAfter.
	Throttled Kind = "Throttled"
	// Conflict is 409 or 412: the resource's present state does not allow the operation; see
	// Error.Code.
	Conflict Kind = "Conflict"
	// InvalidRequest is any other 4xx: the same request will be refused again.
	InvalidRequest Kind = "InvalidRequest"
	// Unavailable is a 5xx, a network error or a timeout. The request may have taken effect.
	Unavailable Kind = "Unavailable"
	// Unknown is everything else.
	Unknown Kind = "Unknown"
)

// Error is a failed call to a cloud service. Its message has been scrubbed (see Scrub); it never
// holds a request body.
type Error struct {
	// Kind is for callers to branch on.
	Kind Kind
	// Service is the service's short name, such as compute.
	Service string
	// Operation is the API operation, such as LaunchInstance.
	Operation string
	// Code is the service's own error code, such as LimitExceeded or InvalidatedRetryToken; empty
	// if there was no answer.
	Code string
	// Message is the service's own message, scrubbed, on one line.
	Message string
	// RequestID is the service's identifier of the request, to quote to the cloud's support; may be
	// empty.
	RequestID string
	// Status is the HTTP status, 0 if there was no answer.
	Status int
	// RetryAfter is how long the service asks to wait; 0 if it does not say.
	RetryAfter time.Duration
	// NotSent is set if this provider held the request back and never sent it: it has certainly
	// taken no effect.
	NotSent bool
	// Remedy is what the user can do, as the end of a sentence, in the words of the service; empty
	// takes OCI's for the kind.
	Remedy string
	// Err is the cause, if it is of use to errors.Is and errors.As.
	Err error
}

// Error returns one line: the operation, the status and code, the message, the request ID.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Operation != "" {
		b.WriteString(e.Operation + ": ")
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, "%d ", e.Status)
	}
	b.WriteString(e.label())
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.RequestID != "" {
		fmt.Fprintf(&b, " (request ID %s)", e.RequestID)
	}
	return b.String()
}

// bounded is the error in at most so many bytes, with as much of the service's message as leaves
// room for the request ID, which comes last.
func (e *Error) bounded(most int) *Error {
	short := *e
	short.Message = shorten(e.Message, max(0, most-len(e.Error())+len(e.Message)))
	return &short
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// label is the service's code, or the kind where the service gave none.
func (e *Error) label() string {
	if e.Code != "" {
		return e.Code
	}
	return string(e.Kind)
}

// KindOf returns the kind of the first Error in err's tree: Unknown if there is none, the empty
// Kind if err is nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Unknown
}

// IsKind tells whether err is of one of the kinds.
func IsKind(err error, kinds ...Kind) bool {
	return err != nil && slices.Contains(kinds, KindOf(err))
}

// IsRetryTokenUsed tells whether OCI refuses a retry token: it was used for another request, or for
// a resource that is gone since. Its code is documented for the latter; for the former no source
// was found, so that any refusal of the token itself counts (OCI documentation, "API Errors";
// oracle/karpenter-provider-oci issue 97).
func IsRetryTokenUsed(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	if e.Code == CodeInvalidatedRetryToken {
		return true
	}
	words := strings.NewReplacer("-", "", " ", "", "_", "").Replace(strings.ToLower(e.Message))
	return (e.Kind == Conflict || e.Kind == InvalidRequest) && strings.Contains(words, "retrytoken")
}

// CodeInvalidatedRetryToken is OCI's code for a retry token that was used for another request, or
// for a resource that is gone since (OCI documentation, "API Errors").
const CodeInvalidatedRetryToken = "InvalidatedRetryToken"

// CodeOf returns the service's own code of the first Error in err's tree; empty if there is none.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// WasNotSent tells whether err comes from a request that was never sent.
func WasNotSent(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.NotSent
}

// RetryAfterOf returns how long the service asked to wait; 0 if it did not say.
func RetryAfterOf(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// remedies tell the user how to react to a kind of error of OCI, as the end of a sentence. A
// service with other words for a kind has them in Error.Remedy.
var remedies = map[Kind]string{
	NotFoundOrUnauthorized:        "check that the resource exists and that the policies of the account allow it to be used",
	RelatedNotFoundOrUnauthorized: "check that everything that the request names exists and that the policies of the account allow it to be used",
	ExistsOrUnauthorized: "OCI does not tell which: check that the policies of the account allow it to be created, " +
		"and whether something of the same name or address exists already, and remove that",
	Unauthenticated:    "check that the credentials belong to this account and that the key has not been deleted",
	Forbidden:          "check the permissions of the credentials",
	InvalidCredentials: "correct the Secret with the credentials",
	OutOfCapacity:      "allow another shape, fault domain, availability domain or account, or wait",
	LimitExceeded:      "ask for a higher service limit, or allow another shape or account",
	QuotaExceeded:      "raise the compartment quota, or allow another shape or account",
	Throttled:          "nothing needs to be done, the request is repeated later",
	Conflict:           "nothing needs to be done unless it persists, the request is repeated later",
	InvalidRequest:     "correct what the message names",
	Unavailable:        "check the region, the endpoint and the network if it persists, the request is repeated later",
}

// Words are what the service said, with code, message and request ID, in at most 512 bytes: for
// lists of several errors. They are scrubbed; empty if err is nil.
func Words(err error) string {
	var e *Error
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &e):
		return shorten(Scrub(err.Error()), maxWords)
	}
	return strings.TrimRight(Scrub(e.bounded(maxWords).Error()), ". ")
}

// UserMessage renders err for a condition or an event: one line of bounded length with the fault
// and the remedy, without secrets. It is empty if err is nil.
func UserMessage(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.Canceled):
		return "the request was cancelled, it is repeated later"
	}
	var e *Error
	if !errors.As(err, &e) {
		return Scrub(err.Error())
	}
	text := strings.TrimRight(Scrub(e.bounded(maxMessage).Error()), ". ")
	if remedy := cmp.Or(e.Remedy, remedies[e.Kind]); remedy != "" {
		text += ": " + remedy
	}
	return text
}
