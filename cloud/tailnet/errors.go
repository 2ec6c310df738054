// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

const service = "tailnet"

// Reason says, finer than a cloud.Kind, why a call failed. It is the Code of every *cloud.Error of
// this package.
type Reason string

const (
	// ReasonInvalidConfig is an unusable Config, its credentials apart; nothing was sent.
	ReasonInvalidConfig Reason = "InvalidConfig"
	// ReasonInvalidCredentials are missing, incomplete or ambiguous credentials; nothing was sent.
	ReasonInvalidCredentials Reason = "InvalidCredentials"
	// ReasonCredentialsRefused means an API key, OAuth client or secret unknown to the server.
	ReasonCredentialsRefused Reason = "CredentialsRefused"
	// ReasonMissingScope means valid credentials without permission for the operation.
	ReasonMissingScope Reason = "MissingScope"
	// ReasonTagRefused means a tag missing from the tailnet's policy or not the credentials' to
	// give; see TagError.
	ReasonTagRefused Reason = "TagRefused"
	// ReasonTooOld is a Headscale whose API lacks what the provider needs; see TooOldError.
	ReasonTooOld Reason = "TooOld"
	// ReasonUnreachable means no answer: name, route, certificate or time.
	ReasonUnreachable Reason = "Unreachable"
	// ReasonNotControlServer means an answer from something other than the API: a proxy or a wrong
	// address.
	ReasonNotControlServer Reason = "NotControlServer"
	// ReasonTailnetNotFound means no tailnet of the configured name at the server.
	ReasonTailnetNotFound Reason = "TailnetNotFound"
	// ReasonNotFound means a missing device or key.
	ReasonNotFound Reason = "NotFound"
	// ReasonThrottled means too many requests.
	ReasonThrottled Reason = "Throttled"
	// ReasonConflict means a resource in a state forbidding the operation.
	ReasonConflict Reason = "Conflict"
	// ReasonInvalidRequest is any other refusal.
	ReasonInvalidRequest Reason = "InvalidRequest"
	// ReasonServerError is a 5xx answer.
	ReasonServerError Reason = "ServerError"
)

var kinds = map[Reason]cloud.Kind{
	ReasonInvalidConfig:      cloud.InvalidRequest,
	ReasonInvalidCredentials: cloud.InvalidCredentials,
	ReasonCredentialsRefused: cloud.Unauthenticated,
	ReasonMissingScope:       cloud.Forbidden,
	ReasonTagRefused:         cloud.InvalidRequest,
	ReasonTooOld:             cloud.InvalidRequest,
	ReasonUnreachable:        cloud.Unavailable,
	ReasonNotControlServer:   cloud.Unavailable,
	ReasonTailnetNotFound:    cloud.InvalidRequest,
	ReasonNotFound:           cloud.NotFoundOrUnauthorized,
	ReasonThrottled:          cloud.Throttled,
	ReasonConflict:           cloud.Conflict,
	ReasonInvalidRequest:     cloud.InvalidRequest,
	ReasonServerError:        cloud.Unavailable,
}

// remedies are for the kinds of which there is more to say of a tailnet than of any service, or
// something else than of OCI.
var remedies = map[cloud.Kind]string{
	cloud.NotFoundOrUnauthorized: "check that it still exists at the control server and that the credentials may see it",
	cloud.Unauthenticated:        "check that the API key or OAuth client is known to this control server, and neither expired nor revoked",
	cloud.Forbidden:              "check the scopes, or permissions, of the credentials",
	cloud.Unavailable:            "check the control server, its API URL and the network if it persists, the request is repeated later",
}

// ReasonOf returns the reason of an error of this package, or "" for any other error.
func ReasonOf(err error) Reason {
	var e *cloud.Error
	if errors.As(err, &e) && e.Service == service {
		return Reason(e.Code)
	}
	return ""
}

// IsNotFound tells whether err reports a missing device or key.
func IsNotFound(err error) bool { return ReasonOf(err) == ReasonNotFound }

// TagError names the tags refused by a tailnet. Tailscale names all tags of a request, Headscale
// the first refused one.
type TagError struct {
	Tags []string
	// Capitals is set if they are refused for their capital letters.
	Capitals bool
}

// Error names the refused tags and the remedy.
func (e *TagError) Error() string {
	if e.Capitals {
		return fmt.Sprintf("the tailnet refuses %s, for tags have no capital letters: write each in lower case, here and in tagOwners of the tailnet's policy",
			strings.Join(e.Tags, ", "))
	}
	return fmt.Sprintf("the tailnet refuses %s: declare each tag in tagOwners of the tailnet's policy, and let the OAuth client hold exactly these tags or a tag that owns them",
		strings.Join(e.Tags, ", "))
}

// TooOldError names the version of a Headscale that lacks what is needed.
type TooOldError struct {
	// Version is as the server reports it, for the message alone.
	Version string
	// OAuth is set if the server lacks OAuth clients only.
	OAuth bool
}

// Error names the version found and the remedy.
func (e *TooOldError) Error() string {
	if e.OAuth {
		return fmt.Sprintf("the control server is Headscale %s, which has no OAuth clients, as Headscale has since 0.30: "+
			"make an API key (headscale apikeys create), and use it with credentials.type APIKey", e.Version)
	}
	return fmt.Sprintf("the control server is Headscale %s, which makes no keys for tags without a user, as Headscale does since 0.28: "+
		"upgrade it to 0.28 or later, one minor version at a time", e.Version)
}

// The refusals of a tag: Tailscale's (github.com/tailscale/tailscale issue 15456), then Headscale's
// (hscontrol/api/v2/keys.go).
var tagRefusals = []*regexp.Regexp{
	regexp.MustCompile(`requested tags \[([^\]]*)\] are invalid or not permitted`),
	regexp.MustCompile(`tag (tag:\S+) is not defined in policy`),
	regexp.MustCompile(`token may not assign tag (tag:\S+)`),
	regexp.MustCompile(`auth-key tag is invalid: '([^']*)'`),
}

// capitalTag is Headscale's refusal of a tag with capital letters, which it does not name
// (validateTag in hscontrol/grpcv1.go of 0.28 and 0.29).
const capitalTag = "tag should be lowercase"

func refusedTags(message string) []string {
	for _, refusal := range tagRefusals {
		if match := refusal.FindStringSubmatch(message); match != nil {
			return strings.Fields(match[1])
		}
	}
	return nil
}

// fail builds an error for a reason found from more than one answer.
func fail(operation string, reason Reason, cause error) *cloud.Error {
	return &cloud.Error{Kind: kinds[reason], Service: service, Operation: operation, Code: string(reason),
		Message: cloud.Scrub(cause.Error()), Remedy: remedies[kinds[reason]], Err: cause}
}

// withoutList is for an answer of success that lacks the list that was asked for.
func withoutList(ctx context.Context, field string) error {
	return fail(operationOf(ctx), ReasonNotControlServer, fmt.Errorf("the answer holds no list of %s", field))
}

// translate turns any error of a backend into a *cloud.Error. The cause is kept where errors.Is or
// errors.As have a use for it; the client library's own is dropped.
func (c *Client) translate(operation string, err error) error {
	if err == nil {
		return nil
	}
	var known *cloud.Error
	if errors.As(err, &known) {
		return err
	}
	var answer *responseError
	if errors.As(err, &answer) {
		return c.translateAnswer(operation, answer)
	}
	if isForeign(err) {
		return c.translateAnswer(operation, &responseError{status: http.StatusOK})
	}
	message := fmt.Sprintf("no usable answer from %s: %v", c.base.Host, err)
	out := fail(operation, ReasonUnreachable, errors.New(message))
	out.Err = contextError(err)
	out.Message = cloud.Scrub(message, c.secrets()...)
	return out
}

// isForeign tells whether the client library could not read an answer of success.
func isForeign(err error) bool {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	return errors.As(err, &syntax) || errors.As(err, &kind)
}

func (c *Client) translateAnswer(operation string, answer *responseError) error {
	reason := answer.reason()
	out := &cloud.Error{Kind: kinds[reason], Service: service, Operation: operation, Code: string(reason),
		Status: answer.status, RetryAfter: answer.retryAfter,
		Message: cloud.Scrub(answer.message, c.secrets()...), Remedy: remedies[kinds[reason]]}
	switch reason {
	case ReasonTagRefused:
		tags := &TagError{Tags: refusedTags(answer.message)}
		out.Err, out.Message = tags, tags.Error()
	case ReasonNotControlServer:
		out.Message = cloud.Scrub(answer.strange(c.base.Host), c.secrets()...)
	case ReasonMissingScope:
		out.Message += fmt.Sprintf(" (needed are the scopes %s and, to approve routes, %s)", strings.Join(neededScopes, ", "), scopeRoutes)
	case ReasonTailnetNotFound:
		out.Message = fmt.Sprintf("%s has no tailnet %q for these credentials: leave the tailnet's name empty to use the credentials' own", c.base.Host, c.v2.api.Tailnet)
	}
	return out
}

// strange says what is wrong with an answer that is not the API's, and what to do.
func (e *responseError) strange(host string) string {
	what := "does not answer as the API of Tailscale or Headscale does"
	switch {
	case e.redirect != "":
		return fmt.Sprintf("%s redirects to %s, and no redirect is followed: set apiURL to that address if it is the control server's; "+
			"if it is a page to sign in, let the proxy in between pass /api on without", host, e.redirect)
	case e.html:
		what = "answers with a web page instead of the API's JSON"
	}
	return fmt.Sprintf("%s %s: check the API URL and any proxy in between", host, what)
}

// contextError returns the context's error behind err, if it is one.
func contextError(err error) error {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return known
		}
	}
	return nil
}

// secrets must not show in any message.
func (c *Client) secrets() []string {
	secrets := []string{c.apiKey.Reveal()}
	if c.tokens != nil {
		secrets = append(secrets, c.tokens.conf.ClientSecret)
	}
	return slices.DeleteFunc(secrets, func(s string) bool { return s == "" })
}

// reason classifies an answer of status 300 or above.
func (e *responseError) reason() Reason {
	switch {
	case e.code == 0 && e.status >= http.StatusInternalServerError:
		return ReasonServerError
	case e.status == http.StatusTooManyRequests:
		return ReasonThrottled
	case !e.json, e.redirect != "":
		return ReasonNotControlServer
	case e.code != 0:
		return e.grpcReason()
	case len(refusedTags(e.message)) > 0:
		return ReasonTagRefused
	case e.oauth == "invalid_client", e.status == http.StatusUnauthorized:
		return ReasonCredentialsRefused
	case e.oauth == "invalid_scope", e.status == http.StatusForbidden:
		return ReasonMissingScope
	case e.status == http.StatusNotFound && strings.Contains(e.message, "tailnet"):
		return ReasonTailnetNotFound
	case e.status == http.StatusNotFound:
		return ReasonNotFound
	case e.status == http.StatusConflict, e.status == http.StatusPreconditionFailed:
		return ReasonConflict
	default:
		return ReasonInvalidRequest
	}
}

// Codes of gRPC in the errors of Headscale's API v1. The HTTP status is the gateway's translation,
// or 500 for what a handler did not classify. Source: google.golang.org/grpc/codes.
const (
	grpcInvalidArgument   = 3
	grpcNotFound          = 5
	grpcAlreadyExists     = 6
	grpcPermissionDenied  = 7
	grpcResourceExhausted = 8
	grpcFailedPrecond     = 9
	grpcAborted           = 10
	grpcUnauthenticated   = 16
)

// goneNode is what approving routes says of an unknown node, as an invalid argument: 0.28 and 0.29
// were watched to.
const goneNode = "node no longer exists in NodeStore"

// unknownUser is what a Headscale before 0.28 says of a key for nobody (ErrUserNotFound in
// hscontrol/db/users.go of 0.27; 0.25 looks for the user by the name, in the same words).
const unknownUser = "user not found"

func (e *responseError) grpcReason() Reason {
	switch e.code {
	case grpcNotFound:
		return ReasonNotFound
	case grpcUnauthenticated:
		return ReasonCredentialsRefused
	case grpcPermissionDenied:
		return ReasonMissingScope
	case grpcResourceExhausted:
		return ReasonThrottled
	case grpcAlreadyExists, grpcFailedPrecond, grpcAborted:
		return ReasonConflict
	case grpcInvalidArgument:
		if strings.Contains(e.message, goneNode) {
			return ReasonNotFound
		}
		return ReasonInvalidRequest
	}
	return ReasonServerError
}

// wantsUser tells whether an API v1 wants a user for a key.
func (e *responseError) wantsUser() bool { return e.json && strings.Contains(e.message, unknownUser) }

// isBareRefusal tells whether that is how Headscale refuses an API key: one word, no challenge, and
// no JSON (httpAuthenticationMiddleware in hscontrol/app.go).
func (e *responseError) isBareRefusal() bool {
	return e.status == http.StatusUnauthorized && e.bare == http.StatusText(http.StatusUnauthorized)
}
