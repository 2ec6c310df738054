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
	"strings"
	"time"
)

const (
	scopeAuthKeys = "auth_keys"
	scopeDevices  = "devices:core"
	scopeRoutes   = "devices:routes"

	// checkDescription marks the keys minted by Check, should one ever be left over.
	checkDescription = "capom check"
	checkExpiry      = time.Minute
)

// CheckSpec names the required abilities of the credentials.
type CheckSpec struct {
	// TagSets are the machines' sets of tags, one per kind of machine. For each a key is minted and
	// revoked at once: no other request tells whether the tags may be used. So check after a
	// change, not on every reconcile. A Headscale takes any tag from an API key; it is strict with
	// OAuth clients only.
	TagSets [][]string
	// ApproveRoutes is set if this client approves routes.
	ApproveRoutes bool
}

// Check finds out whether the client can do its work, in the order of an operator's repairs: the
// server is there and new enough (ReasonUnreachable, ReasonNotControlServer, ReasonTooOld), it
// accepts the credentials (ReasonCredentialsRefused), these have the scopes (ReasonMissingScope),
// and the tags may be given (ReasonTagRefused). It asks even while the circuit is open, and closes
// it if the server answers again.
func (c *Client) Check(ctx context.Context, spec CheckSpec) error {
	const operation = "Check"
	ctx = probing(ctx)
	version, old, err := c.headscaleTooOld(ctx)
	if err != nil {
		return c.translate(ctx, operation, err)
	}
	if old {
		return fail(operation, ReasonTooOld, &TooOldError{Version: version})
	}
	if err := c.checkScopes(ctx, operation, spec); err != nil {
		return err
	}
	began := time.Now()
	devices, err := c.Devices(ctx)
	if err != nil {
		return err
	}
	// Callers looking for devices need no list of their own for a while.
	c.keep(began, devices)
	for _, tags := range spec.TagSets {
		key, err := c.CreateKey(ctx, KeySpec{Tags: tags, Expiry: checkExpiry, Description: checkDescription})
		if err != nil {
			return err
		}
		if err := c.revoke(ctx, key.ID); err != nil {
			return err
		}
	}
	return nil
}

// checkScopes fetches an access token, the first proof of an OAuth client. The scope of routes is
// looked up in the token: there may be no device yet to try it on.
func (c *Client) checkScopes(ctx context.Context, operation string, spec CheckSpec) error {
	if c.tokens == nil {
		return nil
	}
	granted, err := call(ctx, c, operationToken, c.tokens.grantedScopes)
	if err != nil || len(granted) == 0 {
		return err
	}
	needed := []string{scopeAuthKeys, scopeDevices}
	if spec.ApproveRoutes {
		needed = append(needed, scopeRoutes)
	}
	for _, scope := range needed {
		if !grants(granted, scope) {
			return fail(operation, ReasonMissingScope, fmt.Errorf("the OAuth client lacks the scope %s: create one that has it", scope))
		}
	}
	return nil
}

// headscaleTooOld tells whether the server is a Headscale before 0.30, with its version. It is
// false when in doubt: an error of the operation itself says more then. Tailscale's own server is
// not asked. It fails only if no answer comes.
func (c *Client) headscaleTooOld(ctx context.Context) (version string, old bool, err error) {
	if !c.custom {
		return "", false, nil
	}
	ctx = withOperation(ctx, "Version")
	// Since 0.27 Headscale serves /version (its pull request 2821). Its JSON has the fields
	// version, commit, buildTime and go.
	var build struct {
		Version string `json:"version"`
		Commit  string `json:"commit"`
	}
	found, err := c.getJSON(ctx, "version", &build)
	if err != nil {
		return "", false, err
	}
	if found && build.Version != "" && build.Commit != "" {
		return build.Version, before030(build.Version), nil
	}
	var health struct {
		Status string `json:"status"`
	}
	found, err = c.getJSON(ctx, "health", &health)
	return "before 0.27", found && health.Status != "", err
}

// before030 reads versions such as v0.29.2 and v0.30.0-beta.1. A build without a version, such as
// "dev", is taken for new.
func before030(version string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(strings.TrimPrefix(version, "v"), "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major == 0 && minor < 30
}

// getJSON gets a page without credentials. It reports whether the page is there and holds JSON, and
// fails if no answer comes at all.
func (c *Client) getJSON(ctx context.Context, path string, into any) (found bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath(path).String(), nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("User-Agent", userAgent)
	res, err := c.plain.Do(req)
	var answer *responseError
	if errors.As(err, &answer) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = res.Body.Close() }()
	return json.NewDecoder(io.LimitReader(res.Body, maxErrorBody)).Decode(into) == nil, nil
}
