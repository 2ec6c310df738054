// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"context"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// Keyring holds the tailnet key of one object, kept in a Secret as long as somebody may join with
// it.
type Keyring struct {
	Key
	// Exists is set if there is a Secret, with a usable key or not.
	Exists bool

	// Store has the Secret, and Of is whose it is.
	Store KeyStore
	Of    KeyOwner
}

// Load reads the key of an earlier pass. A malformed one counts as none, though its Secret exists.
func (k *Keyring) Load(ctx context.Context) (err error) {
	k.Key, k.Exists, err = k.Store.Load(ctx, k.Of)
	return err
}

// Mint makes a key and stores it.
func (k *Keyring) Mint(ctx context.Context, c KeyMaker, spec tailnet.KeySpec) (err error) {
	k.Key, err = k.Store.Mint(ctx, c, k.Of, spec)
	return err
}

// DeleteSecret takes the Secret away and leaves the key in the tailnet.
func (k *Keyring) DeleteSecret(ctx context.Context) error { return k.Store.Delete(ctx, k.Of) }

// Drop revokes the recorded key, unless it was seen to be used, and takes the Secret away.
func (k *Keyring) Drop(ctx context.Context, c KeyRevoker, recorded ownership.Proof, used bool) error {
	if !recorded.IsZero() && !used {
		err := c.RevokeKey(ctx, recorded)
		if err != nil && !cloud.IsKind(err, cloud.NotFoundOrUnauthorized) {
			return err
		}
	}
	return k.DeleteSecret(ctx)
}
