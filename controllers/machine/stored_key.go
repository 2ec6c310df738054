// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// storedKey is the machine's tailnet key, kept in a Secret until the machine has joined.
type storedKey struct {
	tailnetnode.Key
	// exists is set if there is a Secret, with a usable key or not.
	exists bool

	store tailnetnode.KeyStore
	owner tailnetnode.KeyOwner
}

// load reads the key of an earlier pass. A malformed one counts as none, though its Secret exists.
func (k *storedKey) load(ctx context.Context) (err error) {
	k.Key, k.exists, err = k.store.Load(ctx, k.owner)
	return err
}

// mint makes a key and stores it.
func (k *storedKey) mint(ctx context.Context, c *tailnet.Client, spec tailnet.KeySpec) (err error) {
	k.Key, err = k.store.Mint(ctx, c, k.owner, spec)
	return err
}

// deleteSecret takes the Secret away and leaves the key in the tailnet.
func (k *storedKey) deleteSecret(ctx context.Context) error { return k.store.Delete(ctx, k.owner) }

// drop revokes the recorded key, unless it was seen to be used, and takes the Secret away.
func (k *storedKey) drop(ctx context.Context, c *tailnet.Client, recorded ownership.Proof, used bool) error {
	if !recorded.IsZero() && !used {
		err := c.RevokeKey(ctx, recorded)
		if err != nil && !cloud.IsKind(err, cloud.NotFoundOrUnauthorized) {
			return err
		}
	}
	return k.deleteSecret(ctx)
}
