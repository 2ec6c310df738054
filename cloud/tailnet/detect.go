// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// operationProbe is the operation in metrics of requests for finding out which API there is.
const operationProbe = "Probe"

// unknownVersion stands for the version of a Headscale that does not tell it.
const unknownVersion = "of an unknown version"

// lookAgain finds the API that the server speaks after an answer that was not the used one's. What
// answers counts: a build of Headscale's main branch calls itself "dev" or v0.0.0, whatever it can
// do. The answers are recorded in testdata; by the source of Headscale (hscontrol/app.go) 0.28
// answers an unknown path with an empty page and status 200, 0.29 with 404 in plain text. It fails
// with what is to be told: the failure that it was called with, or a better one.
func (c *Client) lookAgain(ctx context.Context, operation string, used backend, failure error) (backend, error) {
	ctx = withOperation(ctx, operationProbe)
	speaksV2, answer, err := c.probeV2(ctx)
	if err != nil {
		return nil, c.translate(operation, err)
	}
	_, usedV1 := used.(*v1)
	switch {
	case speaksV2 && usedV1:
		return c.v2, nil
	case speaksV2, usedV1:
		return nil, failure
	case c.tokens != nil:
		return nil, c.withoutOAuth(ctx, operation, failure)
	}
	switch reason, err := c.probeV1(ctx); {
	case err != nil:
		return nil, c.translate(operation, err)
	case reason == "":
		return c.newV1(answer), nil
	case reason == ReasonTooOld:
		return nil, c.tooOld(ctx, operation)
	case reason == ReasonCredentialsRefused:
		if _, is, err := c.headscale(ctx); err == nil && is {
			return nil, fail(operation, ReasonCredentialsRefused, errors.New("the control server does not know the API key"))
		}
	}
	return nil, c.neither(ctx, failure)
}

// probeV2 asks for the devices by the API v2. Answer is what else came instead.
func (c *Client) probeV2(ctx context.Context) (speaks bool, answer *responseError, err error) {
	path := "api/v2/tailnet/" + url.PathEscape(c.v2.api.Tailnet) + "/devices"
	var listed struct {
		Devices *[]json.RawMessage `json:"devices"`
	}
	err = c.getJSON(ctx, c.v2.api.HTTP, path, func(req *http.Request) {
		if key := c.apiKey.Reveal(); key != "" {
			req.SetBasicAuth(key, "")
		}
	}, &listed)
	if !errors.As(err, &answer) {
		return listed.Devices != nil, nil, err
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

// probeV1 asks for the keys by Headscale's API v1. An empty reason says that it is one that this
// package can use. Before 0.28 each key was a user's, and there is no list of all: ListPreAuthKeys
// in hscontrol/grpcv1.go of 0.27 looks for the user first.
func (c *Client) probeV1(ctx context.Context) (Reason, error) {
	var listed struct {
		Keys *[]json.RawMessage `json:"preAuthKeys"`
	}
	err := c.getJSON(ctx, c.plain, "api/v1/preauthkey", c.bearer, &listed)
	var answer *responseError
	switch {
	case err == nil && listed.Keys != nil:
		return "", nil
	case err == nil:
		return ReasonNotControlServer, nil
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

// lookForNewer takes the API v2 as soon as the server has it, and notes what v1 has learnt.
func (c *Client) lookForNewer(ctx context.Context) error {
	if _, isV1 := c.backends.get().(*v1); !isV1 {
		return nil
	}
	speaksV2, answer, err := c.probeV2(withOperation(ctx, operationProbe))
	switch {
	case err != nil:
		return err
	case speaksV2:
		c.backends.set(c.v2)
	default:
		c.backends.set(c.newV1(answer))
	}
	return nil
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

// send sends a request of this package's own, and reads a JSON object.
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
	if !strings.HasPrefix(strings.TrimSpace(string(body)), "{") || json.Unmarshal(body, into) != nil {
		return &responseError{status: res.StatusCode, message: "the answer is no JSON of this API"}
	}
	return nil
}

// bearer authorizes requests to the API v1.
func (c *Client) bearer(req *http.Request) {
	req.Header.Set("Authorization", "Bearer "+c.apiKey.Reveal())
}
