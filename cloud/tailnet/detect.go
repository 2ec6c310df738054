// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// operationProbe is the operation in metrics of requests for finding out which API there is.
const operationProbe = "Probe"

// unknownVersion stands for the version of a Headscale that does not tell it.
const unknownVersion = "of an unknown version"

// lookAgain finds the API that the server speaks after an answer that was not the used one's. What
// answers counts: a build of Headscale's main branch calls itself "dev" or v0.0.0, whatever it can
// do. The answers are recorded in testdata; by the source of Headscale (hscontrol/app.go) 0.28
// answers an unknown path with an empty page and status 200, 0.29 with 404 in plain text. It fails
// with what is to be told: the failure that it was called with, or a better one. The backend found
// may be the used one; answered says that it has shown a list.
func (c *Client) lookAgain(ctx context.Context, operation string, used backend, failure error) (found backend, answered bool, _ error) {
	ctx = withOperation(ctx, operationProbe)
	speaksV2, answer, err := c.probeV2(ctx)
	_, usedV1 := used.(*v1)
	switch {
	case err != nil && (!isFailure(answer) || usedV1 || c.tokens != nil || c.backends.hasAnswered(used)):
		return nil, false, c.translate(operation, err)
	case speaksV2 && (usedV1 || answer == nil):
		return c.v2, answer == nil, nil
	case speaksV2:
		return nil, false, c.translate(operation, answer)
	case usedV1:
		return nil, false, failure
	case c.tokens != nil:
		return nil, false, c.withoutOAuth(ctx, operation, failure)
	}
	switch reason, errV1 := c.probeV1(ctx); {
	case errV1 == nil && reason == "":
		return c.newV1(answer), true, nil
	case err != nil:
		// Nobody has told of v1 by failing on v2.
		return nil, false, c.translate(operation, err)
	case errV1 != nil:
		return nil, false, c.translate(operation, errV1)
	case reason == ReasonTooOld:
		return nil, false, c.tooOld(ctx, operation)
	case reason == ReasonCredentialsRefused:
		if _, is, err := c.headscale(ctx); err == nil && is {
			return nil, false, fail(operation, ReasonCredentialsRefused, errors.New("the control server does not know the API key"))
		}
	}
	return nil, false, c.neither(ctx, failure)
}

// isFailure tells whether the server, or what is before it, has answered with a failure of its own.
func isFailure(answer *responseError) bool {
	return answer != nil && answer.reason() == ReasonServerError
}

// hasList tells whether the field is there with a list, or with null, as Go writes an empty one.
func hasList(answer map[string]json.RawMessage, field string) bool {
	raw := answer[field]
	return bytes.HasPrefix(raw, []byte("[")) || bytes.Equal(raw, []byte("null"))
}

// isEmptyHeadscale tells whether an answer without a list is one of a Headscale that has nothing to
// list. A gateway in between may leave out what is empty, as protojson does by default: then
// /version has to tell that this is Headscale.
func isEmptyHeadscale(
	ctx context.Context, answer map[string]json.RawMessage, headscale func(context.Context) (string, bool, error),
) (bool, error) {
	if len(answer) > 0 {
		return false, nil
	}
	version, is, err := headscale(ctx)
	return is && version != unknownVersion, err
}

// probeV2 asks for the devices by the API v2. Answer is what else came instead.
func (c *Client) probeV2(ctx context.Context) (speaks bool, answer *responseError, err error) {
	path := "api/v2/tailnet/" + url.PathEscape(c.v2.api.Tailnet) + "/devices"
	var listed map[string]json.RawMessage
	err = c.getJSON(ctx, c.v2.api.HTTP, path, func(req *http.Request) {
		if key := c.apiKey.Reveal(); key != "" {
			req.SetBasicAuth(key, "")
		}
	}, &listed)
	if !errors.As(err, &answer) {
		return hasList(listed, "devices"), nil, err
	}
	switch reason := answer.reason(); reason {
	case ReasonServerError, ReasonThrottled:
		return false, answer, answer
	case ReasonNotControlServer, ReasonNotFound:
		return false, answer, nil
	default:
		return true, answer, nil
	}
}

// listsDevices tells whether the API v2 shows a list of devices.
func (c *Client) listsDevices(ctx context.Context) (bool, error) {
	speaks, answer, err := c.probeV2(ctx)
	if answer != nil {
		return false, answer
	}
	return speaks, err
}

// probeV1 asks for the keys by Headscale's API v1. An empty reason says that it is one that this
// package can use. Before 0.28 each key was a user's, and there is no list of all: ListPreAuthKeys
// in hscontrol/grpcv1.go of 0.27 looks for the user first.
func (c *Client) probeV1(ctx context.Context) (Reason, error) {
	var listed map[string]json.RawMessage
	err := c.getJSON(ctx, c.plain, "api/v1/preauthkey", c.bearer, &listed)
	var answer *responseError
	switch {
	case err == nil && hasList(listed, "preAuthKeys"):
		return "", nil
	case err == nil:
		if is, err := isEmptyHeadscale(ctx, listed, c.headscale); err != nil || !is {
			return ReasonNotControlServer, err
		}
		return "", nil
	case !errors.As(err, &answer):
		return "", err
	case answer.wantsUser():
		return ReasonTooOld, nil
	case answer.isBareRefusal():
		return ReasonCredentialsRefused, nil
	}
	switch reason := answer.reason(); reason {
	case ReasonServerError, ReasonThrottled:
		return "", answer
	default:
		return reason, nil
	}
}

// tooOld names the version of a server that is.
func (c *Client) tooOld(ctx context.Context, operation string) error {
	version, _, err := c.headscale(ctx)
	if err != nil {
		return c.translate(operation, err)
	}
	return fail(operation, ReasonTooOld, &TooOldError{Version: version})
}

// withoutOAuth says of a server without the API v2 that an OAuth client is of no use with it.
func (c *Client) withoutOAuth(ctx context.Context, operation string, failure error) error {
	version, is, err := c.headscale(ctx)
	if err != nil || !is {
		return failure
	}
	return fail(operation, ReasonTooOld, &TooOldError{Version: version, OAuth: true})
}

// neither adds to a failure that there is a Headscale, of whose API nothing answers.
func (c *Client) neither(ctx context.Context, failure error) error {
	version, is, err := c.headscale(ctx)
	if err != nil || !is {
		return failure
	}
	return fail(operationProbe, ReasonNotControlServer, fmt.Errorf("%s is Headscale %s, and neither /api/v1 nor /api/v2 answers as its API: "+
		"let a proxy in between pass both on, with the header Authorization", c.base.Host, version))
}

// lookForNewer takes the API v2 as soon as the server shows a list by it, and notes what v1 has
// learnt. A failure or a refusal of that path alone, as of a proxy, moves nothing: v1 goes on.
func (c *Client) lookForNewer(ctx context.Context) {
	used, isV1 := c.backends.get().(*v1)
	if !isV1 {
		return
	}
	speaksV2, answer, err := c.probeV2(withOperation(ctx, operationProbe))
	switch {
	case err != nil, speaksV2 && answer != nil:
	case speaksV2:
		c.backends.set(c.v2, true)
	default:
		if next := c.newV1(answer); next.nodeAttrs != used.nodeAttrs {
			c.backends.set(next, true)
		}
	}
}

// headscale tells whether there is a Headscale, and what it says of its version. That is for
// messages alone. Since 0.27 Headscale serves /version (its pull request 2821), with the fields
// version and commit among others, and /health for longer.
func (c *Client) headscale(ctx context.Context) (version string, is bool, err error) {
	ctx = withOperation(ctx, "Version")
	var build struct {
		Version string `json:"version"`
		Commit  string `json:"commit"`
	}
	err = c.getJSON(ctx, c.plain, "version", nil, &build)
	var answer *responseError
	switch {
	case err == nil && build.Version != "" && build.Commit != "":
		return build.Version, true, nil
	case err != nil && !errors.As(err, &answer):
		return "", false, err
	}
	var health struct {
		Status string `json:"status"`
	}
	err = c.getJSON(ctx, c.plain, "health", nil, &health)
	if err != nil && !errors.As(err, &answer) {
		return "", false, err
	}
	return unknownVersion, health.Status != "", nil
}

// getJSON gets a JSON object. Anything else is a *responseError, unless no answer came.
func (c *Client) getJSON(ctx context.Context, client *http.Client, path string, authorize func(*http.Request), into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath(path).String(), nil)
	if err != nil {
		return err
	}
	return send(client, req, authorize, into)
}

// send sends a request of this package's own, and reads a JSON object; where no answer is wanted,
// into is nil, and an empty one will do.
func send(client *http.Client, req *http.Request, authorize func(*http.Request), into any) error {
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "application/json")
	if authorize != nil {
		authorize(req)
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	body = bytes.TrimSpace(body)
	if into == nil {
		if len(body) == 0 {
			return nil
		}
		into = &struct{}{}
	}
	if !bytes.HasPrefix(body, []byte("{")) || json.Unmarshal(body, into) != nil {
		return &responseError{status: res.StatusCode, message: "the answer is no JSON of this API"}
	}
	return nil
}

// bearer authorizes requests to the API v1.
func (c *Client) bearer(req *http.Request) {
	req.Header.Set("Authorization", "Bearer "+c.apiKey.Reveal())
}
