// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// Kind is the kind of object whose keys this package stores.
const Kind = "OCIMeshMachine"

// tailnetKey makes sure of a key that lives long enough to boot with. The key is kept, since
// launches under one retry token must be the same to the last byte.
func (r *Reconciler) tailnetKey(ctx context.Context, s *scope) error {
	if s.launched() {
		if s.key.ID != "" && s.own.Status.Tailnet.KeyID == "" && s.own.Status.Tailnet.DeviceID == "" {
			// The pass that launched the machine could not write it down.
			s.recordKey()
		}
		return nil
	}
	// However patient an operator is, a fresh key is not too old at once: each pass would launch
	// under another retry token.
	margin := min(r.Options.withDefaults().JoinTimeout, tailnet.MaxKeyExpiry/2)
	if s.key.Expires.Sub(s.now) < margin || !tailnetnode.JoinedIn(s.own.Status.Tailnet, s.tailnet.Name) {
		if err := r.mint(ctx, s); err != nil {
			return err
		}
	}
	s.recordKey()
	return nil
}

// recordKey writes down which key the machine joins with, and where.
func (s *scope) recordKey() {
	status := &s.own.Status.Tailnet
	status.Name, status.Hostname, status.KeyID = s.tailnet.Name, s.hostname, s.key.ID
	status.KeyExpires = metav1.NewTime(s.key.Expires)
}

// mint makes a key. Keys that an earlier pass made and could not write down are revoked first:
// there are none if there was no pass that could.
func (r *Reconciler) mint(ctx context.Context, s *scope) error {
	c, err := r.Access.TailnetClient(ctx, s.tailnet)
	if err != nil {
		return err
	}
	// Nobody but this process makes keys of the machine: since it looks, there can have come only
	// the one that is replaced, or one that was lost, after which the search begins anew.
	since := r.ledger.searchedSince(s.search(), s.now)
	if s.keyExists {
		since = s.now
	}
	if !r.isUnborn(s) {
		if err := tailnetnode.RevokeKeys(ctx, c, s.owner, since, ""); err != nil {
			return err
		}
	}
	r.ledger.born(client.ObjectKeyFromObject(s.own))
	store, owner := r.keys(s)
	s.key, err = store.Mint(ctx, c, owner, tailnet.KeySpec{
		Tags: s.deviceTags(s.tailnet), Expiry: tailnet.MaxKeyExpiry, Description: s.owner.KeyDescription(),
	})
	if err != nil {
		r.ledger.searchAnew(client.ObjectKeyFromObject(s.own), r.Options.withDefaults().Clock())
		return keyProblem(err)
	}
	return nil
}

// keyProblem gives a refusal that is about this key, rather than about the credentials, its own
// reason.
func keyProblem(err error) error {
	problem := access.AsProblem(err)
	if problem.Reason == infrav1.RequestRefusedReason {
		return &access.Problem{Reason: infrav1.KeyRefusedReason, Message: problem.Message, Err: err}
	}
	return err
}

// deviceTags are what the machine's device is tagged with in a tailnet.
func (s *scope) deviceTags(in *infrav1.Tailnet) []string {
	if s.isControlPlane() {
		return in.Spec.ControlPlaneTags
	}
	return in.Spec.NodeTags
}

// keys is where the machine's key is kept until it has joined.
func (r *Reconciler) keys(s *scope) (tailnetnode.KeyStore, tailnetnode.KeyOwner) {
	return tailnetnode.KeyStore{Client: r.Client, Namespace: r.KeyNamespace}, tailnetnode.KeyOwnerOf(Kind, s.own, s.identity)
}

// loadKey reads the key that an earlier pass stored. One that is malformed counts as none, though
// its Secret exists.
func (r *Reconciler) loadKey(ctx context.Context, s *scope) (err error) {
	store, owner := r.keys(s)
	s.key, s.keyExists, err = store.Load(ctx, owner)
	return err
}

// dropKey revokes the machine's key, unless it was seen to be used, and forgets it.
func (r *Reconciler) dropKey(ctx context.Context, s *scope, c *tailnet.Client, used bool) error {
	if key := ownership.Recorded(s.own.Status.Tailnet.KeyID); !key.IsZero() && !used {
		err := c.RevokeKey(ctx, key)
		if err != nil && !cloud.IsKind(err, cloud.NotFoundOrUnauthorized) {
			return err
		}
	}
	if err := r.deleteKeySecret(ctx, s); err != nil {
		return err
	}
	s.own.Status.Tailnet.KeyID = ""
	s.own.Status.Tailnet.KeyExpires = metav1.Time{}
	return nil
}

func (r *Reconciler) deleteKeySecret(ctx context.Context, s *scope) error {
	store, owner := r.keys(s)
	return store.Delete(ctx, owner)
}
