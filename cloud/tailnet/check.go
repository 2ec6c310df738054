// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"fmt"
	"slices"
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

// neededScopes are those of every client; to approve routes takes scopeRoutes besides.
var neededScopes = []string{scopeAuthKeys, scopeDevices}

// CheckSpec names the required abilities of the credentials.
type CheckSpec struct {
	// TagSets are the machines' sets of tags, one per kind of machine. For each a key is minted and
	// revoked at once: no other request tells whether the tags may be used. So check after a
	// change, not on every reconcile. A Headscale takes any tag from an API key, and is strict with
	// OAuth clients only: what its policy makes of the tags is Policy's to tell.
	TagSets [][]string
	// ApproveRoutes is set if this client approves routes.
	ApproveRoutes bool
}

// Check finds out whether the client can do its work, in the order of an operator's repairs: the
// server is there and speaks one of the APIs (ReasonUnreachable, ReasonNotControlServer,
// ReasonTooOld), it accepts the credentials (ReasonCredentialsRefused), these have the scopes
// (ReasonMissingScope), and the tags may be given (ReasonTagRefused). It asks even while the
// circuit is open, and closes it if the server answers again.
func (c *Client) Check(ctx context.Context, spec CheckSpec) error {
	const operation = "Check"
	ctx = probing(ctx)
	c.lookForNewer(ctx)
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
		if err := c.discard(ctx, key.ID); err != nil {
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
	granted, err := call(ctx, c, operationToken, func(ctx context.Context, _ backend) ([]string, error) { return c.tokens.grantedScopes(ctx) })
	if err != nil || len(granted) == 0 {
		return err
	}
	needed := slices.Clone(neededScopes)
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
