// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"

	"sigs.k8s.io/cluster-api/util/conditions"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// Kind is the kind of object whose keys this package stores.
const Kind = "OCIMeshMachinePool"

// tailnetKey reads the key, and makes another one once half of its life is over: an instance may be
// launched at any time, by OCI itself, and must then have enough of it left to join. A pool without
// instances that wants none has no use for one.
func (r *Reconciler) tailnetKey(ctx context.Context, s *scope) error {
	if s.idle() {
		return nil
	}
	store, owner := r.keys(s)
	var err error
	if s.key, _, err = store.Load(ctx, owner); err != nil {
		return err
	}
	life := r.Options.withDefaults().KeyLife
	if s.key.Expires.Sub(s.now) > life/2 {
		return nil
	}
	if conditions.IsFalse(s.tailnet, infrav1.ReadyCondition) {
		return access.NewProblem(infrav1.TailnetNotReadyReason, "Tailnet %s is not ready: %s", s.tailnet.Name,
			conditions.GetMessage(s.tailnet, infrav1.ReadyCondition))
	}
	s.key, err = store.Mint(ctx, s.joins, owner, tailnet.KeySpec{
		Reusable: true, Tags: s.tailnet.Spec.NodeTags, Expiry: life, Description: s.owner.KeyDescription(),
	})
	return err
}

// keys is where the pool's key is kept.
func (r *Reconciler) keys(s *scope) (tailnetnode.KeyStore, tailnetnode.KeyOwner) {
	return tailnetnode.KeyStore{Client: r.Client, Namespace: r.KeyNamespace}, tailnetnode.KeyOwnerOf(Kind, s.own, s.identity)
}

// deleteKeySecret forgets the key.
func (r *Reconciler) deleteKeySecret(ctx context.Context, s *scope) error {
	store, owner := r.keys(s)
	return store.Delete(ctx, owner)
}
