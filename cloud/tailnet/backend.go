// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"errors"
	"net/netip"
	"sync"
)

// backend is one API of control servers. Two exist: v2, Tailscale's own, which Headscale speaks
// since 0.30, and v1, Headscale's before that. Errors are the transport's; Client translates them.
type backend interface {
	listDevices(ctx context.Context) ([]Device, error)
	getDevice(ctx context.Context, id string) (Device, error)
	deleteDevice(ctx context.Context, id string) error
	getRoutes(ctx context.Context, id string) (Routes, error)
	// setRoutes replaces all enabled routes: no API has another way.
	setRoutes(ctx context.Context, id string, enabled []netip.Prefix) error
	createKey(ctx context.Context, spec KeySpec) (Key, error)
	listKeys(ctx context.Context) ([]Key, error)
	// liveKeys are the keys listed, and whether they are still good for joining.
	liveKeys(ctx context.Context) (map[string]bool, error)
	// revokeKey ends a key. A device that joined with it keeps the key's identifier.
	revokeKey(ctx context.Context, id string) error
	// discardKey removes a key that nobody has ever had.
	discardKey(ctx context.Context, id string) error
	// describesKeys tells whether the server keeps a key's description.
	describesKeys() bool
	// policy is the policy file; empty if there is none, and everything is allowed.
	policy(ctx context.Context) (string, error)
	// takesNodeAttrs tells whether a policy may have nodeAttrs.
	takesNodeAttrs() bool
}

// selection is the backend in use. It starts as v2.
type selection struct {
	mu  sync.Mutex
	now backend
}

func (s *selection) get() backend {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *selection) set(b backend) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = b
}

// onBackend runs an operation on the API in use. An answer that is not this API's brings another
// look at what the server speaks: it may have been upgraded, or set back. If that is another API
// now, the operation is repeated there; the first attempt has then changed nothing.
func onBackend[T any](ctx context.Context, c *Client, operation string, run func(context.Context, backend) (T, error)) (T, error) {
	used := c.backends.get()
	out, err := attempt(ctx, c, operation, used, run)
	if ReasonOf(err) != ReasonNotControlServer || !c.custom {
		return out, err
	}
	next, err := c.lookAgain(ctx, operation, used, err)
	if err != nil {
		return out, err
	}
	c.backends.set(next)
	return attempt(ctx, c, operation, next, run)
}

func attempt[T any](ctx context.Context, c *Client, operation string, b backend, run func(context.Context, backend) (T, error)) (T, error) {
	out, err := run(withOperation(ctx, operation), b)
	err = c.translate(operation, err)
	var old *TooOldError
	if errors.As(err, &old) && old.Version == "" {
		return out, c.tooOld(ctx, operation)
	}
	return out, err
}
