// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"fmt"
	"net/http"
	"time"
)

// Error is OCI's answer to a refused call: an HTTP status, a code of the API errors page
// (docs.oracle.com, API/References/apierrors.htm) and a message.
type Error struct {
	Status  int
	Code    string
	Message string
	// RetryAfter is sent as the retry-after header when it is not zero.
	RetryAfter time.Duration
}

// Error returns "status code: message".
func (e *Error) Error() string {
	return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message)
}

// ErrNotAuthenticated is OCI's one answer to every defect of a signature
// (wording: oracle/oci-cli issue 514).
func ErrNotAuthenticated() *Error {
	return &Error{Status: http.StatusUnauthorized, Code: "NotAuthenticated",
		Message: "The required information to complete authentication was not provided or was incorrect."}
}

// ErrNotFound answers both "does not exist" and "not yours": OCI does not tell
// them apart.
func ErrNotFound() *Error {
	return &Error{Status: http.StatusNotFound, Code: "NotAuthorizedOrNotFound",
		Message: "Authorization failed or requested resource not found."}
}

// ErrCannotParse refuses a body other than the operation's JSON.
func ErrCannotParse(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "CannotParseRequest", Message: fmt.Sprintf(format, args...)}
}

// ErrInvalid refuses a value.
func ErrInvalid(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "InvalidParameter", Message: fmt.Sprintf(format, args...)}
}

// ErrMissing refuses a call without a required parameter.
func ErrMissing(name string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "MissingParameter", Message: "Missing parameter: " + name}
}

// ErrIncorrectState refuses a call forbidden by the resource's present state.
func ErrIncorrectState(format string, args ...any) *Error {
	return &Error{Status: http.StatusConflict, Code: "IncorrectState", Message: fmt.Sprintf(format, args...)}
}

// ErrNoEtagMatch refuses a change with a stale if-match.
func ErrNoEtagMatch() *Error {
	return &Error{Status: http.StatusPreconditionFailed, Code: "NoEtagMatch",
		Message: "The if-match header does not match the etag of the resource."}
}

// ErrReferenced refuses to delete what something else still uses (wording:
// oracle/terraform-provider-oci issues 660 and 2185).
func ErrReferenced(kind, id, byKind, byID string) *Error {
	return &Error{Status: http.StatusConflict, Code: "Conflict",
		Message: fmt.Sprintf("The %s %s references the %s %s. You must remove the reference to proceed with this operation.", kind, id, byKind, byID)}
}

// ErrConflict refuses a call in conflict with another resource.
func ErrConflict(format string, args ...any) *Error {
	return &Error{Status: http.StatusConflict, Code: "Conflict", Message: fmt.Sprintf(format, args...)}
}

// ErrNotAuthorizedOrExists answers a creation that is not allowed, or of what is there already (API
// errors page; wording: oracle/terraform-provider-oci issue 1593).
func ErrNotAuthorizedOrExists() *Error {
	return &Error{Status: http.StatusConflict, Code: "NotAuthorizedOrResourceAlreadyExists",
		Message: "Authorization failed or requested resource already exists."}
}

// ErrRelatedNotFound answers a body that refers to what does not exist or is not the caller's (API
// errors page).
func ErrRelatedNotFound() *Error {
	return &Error{Status: http.StatusBadRequest, Code: "RelatedResourceNotAuthorizedOrNotFound",
		Message: "Authorization failed or related resource not found."}
}

// ErrOutOfCapacity is how a launch without room on the hosts ends.
func ErrOutOfCapacity() *Error {
	return &Error{Status: http.StatusInternalServerError, Code: "InternalError", Message: "Out of host capacity."}
}

// ErrTooManyRequests is the answer to a caller beyond its request rate.
func ErrTooManyRequests() *Error {
	return &Error{Status: http.StatusTooManyRequests, Code: "TooManyRequests", Message: "Too many requests for the user."}
}
