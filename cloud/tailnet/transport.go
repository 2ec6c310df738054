// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// maxErrorBody bounds the part read of an error answer.
	maxErrorBody = 64 << 10
	// maxBare bounds what counts as one word.
	maxBare = 32
)

type operationKey struct{}

// withOperation names the operation for the metrics of the requests made with the context.
func withOperation(ctx context.Context, operation string) context.Context {
	return context.WithValue(ctx, operationKey{}, operation)
}

func operationOf(ctx context.Context) string {
	operation, _ := ctx.Value(operationKey{}).(string)
	return operation
}

// responseError is an answer of status 300 or above, or of another content than the API's.
type responseError struct {
	status int
	// json tells whether the body was a JSON object, as every error of the APIs is but a refused
	// key's of v1; html whether it was a web page.
	json, html bool
	// code is gRPC's, of an error of the API v1; 0 for none.
	code int
	// bare is the text of a refusal in one word, without a challenge.
	bare string
	// oauth is the error code of RFC 6749 section 5.2, as sent by Headscale; Tailscale sends a
	// message only.
	oauth      string
	message    string
	retryAfter time.Duration
	// redirect is where a redirect leads, as scheme://host; the rest may hold secrets.
	redirect string
}

func (e *responseError) Error() string { return fmt.Sprintf("%d: %s", e.status, e.message) }

// observer counts requests and turns answers of status 300 and above, and web pages, into errors.
// The client library would lose a status without a JSON body, take a redirect for success, and
// repeat a POST as a GET; and a token would follow a redirect. It would take a page for the success
// of a deletion too: Headscale 0.28 has an empty one for every path that it does not know.
type observer struct {
	next    http.RoundTripper
	metrics *metrics
}

func (o *observer) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := o.next.RoundTrip(req)
	if err != nil {
		o.metrics.request(operationOf(req.Context()), "error")
		return nil, err
	}
	o.metrics.request(operationOf(req.Context()), strconv.Itoa(res.StatusCode))
	if res.StatusCode < http.StatusMultipleChoices && !isPage(res) {
		return res, nil
	}
	defer func() { _ = res.Body.Close() }()
	return nil, readError(res)
}

func readError(res *http.Response) *responseError {
	out := &responseError{
		status: res.StatusCode, message: http.StatusText(res.StatusCode), retryAfter: retryAfter(res.Header), html: isPage(res),
		redirect: redirectOf(res),
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	if err != nil {
		return out
	}
	if res.Header.Get("WWW-Authenticate") == "" && len(body) <= maxBare {
		out.bare = strings.TrimSpace(string(body))
	}
	// Other servers, a gateway for one, may have anything in fields of these names.
	var answer struct {
		Message     loose[string] `json:"message"`
		Error       loose[string] `json:"error"`
		Description loose[string] `json:"error_description"`
		Data        loose[[]struct {
			Errors loose[[]string] `json:"errors"`
		}] `json:"data"`
		// Code is gRPC's in the API v1.
		Code json.RawMessage `json:"code"`
		// Title and Detail are RFC 9457's, as Headscale's API v1 has since 0.30.
		Title  loose[string] `json:"title"`
		Detail loose[string] `json:"detail"`
	}
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) || json.Unmarshal(body, &answer) != nil {
		return out
	}
	out.json, out.oauth = true, answer.Error.value
	if code, err := strconv.Atoi(string(answer.Code)); err == nil && code > 0 && code <= grpcUnauthenticated {
		out.code = code
	}
	parts := []string{answer.Message.value, answer.Description.value, cmp.Or(answer.Detail.value, answer.Title.value)}
	for _, data := range answer.Data.value {
		parts = append(parts, data.Errors.value...)
	}
	if text := strings.Join(nonEmpty(parts), ": "); text != "" {
		out.message = text
	}
	return out
}

// loose is a field that is left out if it is of another type.
type loose[T any] struct{ value T }

// UnmarshalJSON never fails.
func (l *loose[T]) UnmarshalJSON(raw []byte) error {
	var value T
	if json.Unmarshal(raw, &value) == nil {
		l.value = value
	}
	return nil
}

// redirectOf is where the answer leads to; empty if nowhere.
func redirectOf(res *http.Response) string {
	if res.StatusCode < http.StatusMultipleChoices || res.StatusCode >= http.StatusBadRequest {
		return ""
	}
	target, err := res.Location()
	if err != nil || target.Host == "" {
		return ""
	}
	return target.Scheme + "://" + target.Host
}

// isPage tells whether the answer is a web page.
func isPage(res *http.Response) bool {
	kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return err == nil && kind == "text/html"
}

func nonEmpty(parts []string) []string {
	var out []string
	for _, part := range parts {
		if part != "" {
			out = append(out, part)
		}
	}
	return out
}

// retryAfter reads the seconds of a Retry-After header. Tailscale sends no dates there.
func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// CloseIdleConnections lets http.Client's method of this name reach the transport.
func (o *observer) CloseIdleConnections() {
	if closer, ok := o.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}
