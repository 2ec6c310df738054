// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
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
	// answered is set once the server has shown a list by the API in use.
	answered bool
}

func (s *selection) get() backend {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// set takes a backend. Answered says that it has shown a list.
func (s *selection) set(b backend, answered bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.answered = b, answered
}

// noteAnswer is called once the backend has shown a list.
func (s *selection) noteAnswer(b backend) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered = s.answered || s.now == b
}

// hasAnswered tells whether the backend in use has shown a list.
func (s *selection) hasAnswered(b backend) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now == b && s.answered
}

// collections are operations on what every server has, be it empty: it is never "not found".
var collections = []string{"ListDevices", "ListKeys", "CreateKey"}

// onBackend runs an operation on the API in use. An answer that is not this API's brings another
// look at what the server speaks: it may have been upgraded, or set back. If that is another API
// now, the operation is repeated there; the first attempt has then changed nothing. A gateway that
// passes only the other API on may answer 404 in JSON of its own. So "not found" counts only of one
// thing, and only once the API is known to be there: what was to be deleted would else seem gone.
func onBackend[T any](ctx context.Context, c *Client, operation string, run func(context.Context, backend) (T, error)) (T, error) {
	used := c.backends.get()
	out, err := attempt(ctx, c, operation, used, run)
	collective := slices.Contains(collections, operation)
	failure := err
	switch {
	case err == nil && collective:
		c.backends.noteAnswer(used)
		return out, nil
	case !c.custom:
		return out, err
	case IsNotFound(err) && (collective || !c.backends.hasAnswered(used)):
		failure = c.translate(operation, &responseError{status: http.StatusNotFound})
	case ReasonOf(err) == ReasonServerError && !c.backends.hasAnswered(used):
		// A gateway may fail on the path of an API that its server does not have.
	case ReasonOf(err) != ReasonNotControlServer:
		return out, err
	}
	next, answered, lookErr := c.lookAgain(ctx, operation, used, failure)
	switch {
	case lookErr != nil:
		return out, lookErr
	case next == used:
		c.backends.noteAnswer(used)
		return out, err
	}
	c.backends.set(next, answered)
	out, err = attempt(ctx, c, operation, next, run)
	if IsNotFound(err) && (collective || !answered) {
		return out, failure
	}
	return out, err
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
