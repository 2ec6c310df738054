// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/joinkey"
)

// Kind is the kind of object whose keys this package stores.
const Kind = "OCIMeshMachinePool"

// joinKey is the key in the pool's Secret.
type joinKey struct {
	id      string
	secret  cloudinit.Secret
	expires time.Time
}

// tailnetKey reads the key, and makes another one once half of its life is over: an instance may be
// launched at any time, by OCI itself, and must then have enough of it left to join. A pool without
// instances that wants none has no use for one.
func (r *Reconciler) tailnetKey(ctx context.Context, s *scope) error {
	if s.idle() {
		return nil
	}
	if err := r.loadKey(ctx, s); err != nil {
		return err
	}
	life := r.Options.withDefaults().KeyLife
	if s.key.expires.Sub(s.now) > life/2 {
		return nil
	}
	made, err := s.joins.CreateKey(ctx, tailnet.KeySpec{
		Reusable: true, Tags: s.tailnet.Spec.NodeTags, Expiry: life, Description: s.owner.KeyDescription(),
	})
	if err != nil {
		return err
	}
	s.key = joinKey{id: made.ID, secret: cloudinit.Secret(made.Secret.Reveal()), expires: made.Expires.UTC().Truncate(time.Second)}
	return r.writeKey(ctx, s)
}

// keys is where the pool's key is kept.
func (r *Reconciler) keys(s *scope) (joinkey.Store, joinkey.Owner) {
	return joinkey.Store{Client: r.Client, Namespace: r.KeyNamespace}, joinkey.OwnerOf(Kind, s.own, s.identity)
}

// loadKey reads the key that an earlier pass stored. One that is malformed counts as none.
func (r *Reconciler) loadKey(ctx context.Context, s *scope) error {
	store, owner := r.keys(s)
	stored, _, err := store.Load(ctx, owner)
	if err != nil {
		return err
	}
	s.key = joinKey{id: stored.ID, secret: stored.Value, expires: stored.Expires}
	return nil
}

func (r *Reconciler) writeKey(ctx context.Context, s *scope) error {
	store, owner := r.keys(s)
	return store.Write(ctx, owner, joinkey.Key{ID: s.key.id, Value: s.key.secret, Expires: s.key.expires})
}

// revokeAllKeysBut revokes the pool's keys but one.
func (s *scope) revokeAllKeysBut(ctx context.Context, current string) error {
	keys, err := s.joins.KeysSince(ctx, s.owner.KeyDescription(), time.Now())
	if err != nil {
		return err
	}
	for _, key := range keys {
		proof, proven := s.owner.Described(key.ID, key.Description)
		if !proven || key.ID == current {
			continue
		}
		if err := s.joins.RevokeKey(ctx, proof); err != nil {
			return err
		}
	}
	return nil
}

func (r *Reconciler) deleteKeySecret(ctx context.Context, s *scope) error {
	store, owner := r.keys(s)
	return store.Delete(ctx, owner)
}
