// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// MaxKeyExpiry is the longest life of a key from CreateKey: a machine that has not joined within
// the hour never will.
const MaxKeyExpiry = time.Hour

// MaxReusableKeyExpiry is the longest life of a reusable key from CreateKey. It is far below the
// servers' own limit (90 days at Tailscale): a thief of such a key can join as long as it lives.
const MaxReusableKeyExpiry = 24 * time.Hour

// MaxDescription is the maximum length in characters of a key's description at both servers
// (Headscale answers 422 beyond it).
const MaxDescription = 50

// description follows Tailscale's api.md: letters, digits, hyphens, spaces.
var description = regexp.MustCompile(`^[A-Za-z0-9 -]{0,50}$`)

// authKeyType is the type of the keys for joining. A list also holds API tokens and OAuth clients.
const authKeyType = "auth"

// KeySpec describes a new key. Every key is pre-authorised, tagged and not ephemeral.
type KeySpec struct {
	// Reusable lets any number of machines join until the key expires; otherwise one may.
	Reusable bool
	// Tags are the machine's, such as tag:k8s-node. At least one.
	Tags []string
	// Expiry is the life of the key, at most MaxKeyExpiry, or MaxReusableKeyExpiry; zero means the
	// longest.
	Expiry time.Duration
	// Description identifies the key after a crash, and proves its owner: see KeysSince and
	// ownership.Owner.KeyDescription. At most MaxDescription letters, digits, hyphens and spaces. A
	// Headscale before 0.30 ignores it.
	Description string
}

// Key is a machine's key for joining the tailnet.
type Key struct {
	ID string
	// Secret is set by CreateKey only: no server shows it twice.
	Secret      Secret
	Description string
	Tags        []string
	Created     time.Time
	Expires     time.Time
	// Invalid is set once the key was revoked, used or has expired. Tailscale forgets such keys
	// after a while.
	Invalid bool
}

func (s KeySpec) longest() time.Duration {
	if s.Reusable {
		return MaxReusableKeyExpiry
	}
	return MaxKeyExpiry
}

func (s KeySpec) validate() error {
	switch {
	case len(s.Tags) == 0:
		return errors.New("a key needs at least one tag")
	case s.Expiry < 0 || s.Expiry > s.longest():
		return fmt.Errorf("a key may live at most %s, not %s", s.longest(), s.Expiry)
	case s.Expiry > 0 && s.Expiry < time.Second:
		return fmt.Errorf("a key must live at least a second, not %s", s.Expiry)
	case !description.MatchString(s.Description):
		return fmt.Errorf("a key's description takes at most %d letters, digits, hyphens and spaces", MaxDescription)
	}
	return nil
}

// life is the key's.
func (s KeySpec) life() time.Duration { return cmp.Or(s.Expiry, s.longest()) }

// CreateKey mints a key. If the answer is lost the key exists nevertheless: KeysSince finds it by
// its description, where the server keeps one. A tag unknown to the tailnet or not the credentials'
// to give is a TagError; a Headscale before 0.30 takes every tag.
func (c *Client) CreateKey(ctx context.Context, spec KeySpec) (Key, error) {
	const operation = "CreateKey"
	if err := spec.validate(); err != nil {
		return Key{}, fail(operation, ReasonInvalidRequest, err)
	}
	return call(ctx, c, operation, func(ctx context.Context, b backend) (Key, error) { return b.createKey(ctx, spec) })
}

// Keys lists all keys for joining, usable or not, regardless of their creator.
func (c *Client) Keys(ctx context.Context) ([]Key, error) {
	return call(ctx, c, "ListKeys", func(ctx context.Context, b backend) ([]Key, error) { return b.listKeys(ctx) })
}

// RevokeKey revokes a proven key. A missing one, or one revoked before, is no error.
func (c *Client) RevokeKey(ctx context.Context, proof ownership.Proof) error {
	if proof.IsZero() {
		// An empty identifier would address the list of keys.
		return fail("RevokeKey", ReasonInvalidRequest, errUnproven)
	}
	return c.revoke(ctx, proof.ID())
}

func (c *Client) revoke(ctx context.Context, id string) error {
	return endOfKey(do(ctx, c, "RevokeKey", func(ctx context.Context, b backend) error { return b.revokeKey(ctx, id) }))
}

// discard removes a key whose secret nobody has been given.
func (c *Client) discard(ctx context.Context, id string) error {
	return endOfKey(do(ctx, c, "RevokeKey", func(ctx context.Context, b backend) error { return b.discardKey(ctx, id) }))
}

func endOfKey(err error) error {
	if IsNotFound(err) {
		return nil
	}
	return err
}
