// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package session keeps one *oci.Client per account: clients, their keys and connections are built
// once per version of the credentials and not once per reconcile. It knows nothing of Kubernetes:
// keys are plain data.
package session

import (
	"context"
	"fmt"
	"sync"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// Key holds everything a client depends on. It is compared as a whole and never hashed to something
// shorter: two accounts must not share a session by accident.
type Key struct {
	// AccountUID is the account's identity. There is one session per account.
	AccountUID string
	// Type is the principal's: those of the pod and of its instance have no Secret.
	Type oci.PrincipalType
	// SecretUID and SecretVersion are the credentials' identity and version; both empty if there is
	// no Secret.
	SecretUID, SecretVersion string
	// Region, Endpoint and CompartmentID are the account's.
	Region, Endpoint, CompartmentID string
}

// Cache holds the current session of each account. The zero value is ready; it is safe for
// concurrent use.
type Cache struct {
	mu       sync.Mutex
	sessions map[string]*session
}

// session is one build of a client: under way until done is closed.
type session struct {
	key    Key
	done   chan struct{}
	client *oci.Client
	err    error
}

// Client returns the session for the key. The first caller builds it, the others wait for this
// build. A new key of an account replaces the account's old session. A failed build is reported to
// all its waiters; the next caller tries again.
func (c *Cache) Client(ctx context.Context, key Key, build func() (*oci.Client, error)) (*oci.Client, error) {
	s, mine := c.session(key)
	if mine {
		c.build(s, build)
	}
	select {
	case <-s.done:
		return s.client, s.err
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for an OCI session: %w", ctx.Err())
	}
}

// Forget drops the session of a deleted account.
func (c *Cache) Forget(accountUID string) {
	c.mu.Lock()
	old := c.sessions[accountUID]
	delete(c.sessions, accountUID)
	c.mu.Unlock()
	go old.close()
}

// session returns the session for the key, and whether the caller is to build it.
func (c *Cache) session(key Key) (s *session, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.sessions[key.AccountUID]
	if old != nil && old.key == key {
		return old, false
	}
	if c.sessions == nil {
		c.sessions = map[string]*session{}
	}
	s = &session{key: key, done: make(chan struct{})}
	c.sessions[key.AccountUID] = s
	go old.close()
	return s, true
}

// build runs outside the lock: for an instance principal it asks the metadata service.
func (c *Cache) build(s *session, build func() (*oci.Client, error)) {
	s.err = fmt.Errorf("building an OCI session did not finish")
	defer func() {
		if s.err != nil {
			c.drop(s)
		}
		close(s.done)
	}()
	s.client, s.err = build()
}

// drop removes the session unless another one has replaced it.
func (c *Cache) drop(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sessions[s.key.AccountUID] == s {
		delete(c.sessions, s.key.AccountUID)
	}
}

// close closes the idle connections of a replaced session, once it is built. Calls under way go on.
func (s *session) close() {
	if s == nil {
		return
	}
	<-s.done
	if s.client != nil {
		s.client.Close()
	}
}
