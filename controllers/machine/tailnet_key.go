// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// Kind is the kind of object for stored keys.
const Kind = "OCIMeshMachine"

// tailnetKey makes sure of a key that lives long enough to boot with. The key is kept, since
// launches under one retry token must be the same to the last byte.
func (r *Reconciler) tailnetKey(ctx context.Context, s *scope) error {
	if s.launched() {
		if s.key.ID != "" && s.own.Status.Tailnet.KeyID == "" && s.own.Status.Tailnet.DeviceID == "" {
			// The pass of the launch could not write it down.
			s.recordKey()
		}
		return nil
	}
	// However patient an operator is, a fresh key is not too old at once: each pass would launch
	// under another retry token.
	margin := min(s.options.JoinTimeout, tailnet.MaxKeyExpiry/2)
	if s.key.Expires.Sub(s.now) < margin || !tailnetnode.JoinedIn(s.own.Status.Tailnet, s.tailnet.Name) {
		if err := r.replaceKey(ctx, s); err != nil {
			return err
		}
	}
	s.recordKey()
	return nil
}

// recordKey writes down the machine's key, and its tailnet.
func (s *scope) recordKey() {
	status := &s.own.Status.Tailnet
	status.Name, status.Hostname, status.KeyID = s.tailnet.Name, s.hostname, s.key.ID
	status.KeyExpires = metav1.NewTime(s.key.Expires)
}

// replaceKey makes a key. Keys from earlier passes, made and never written down, are revoked first;
// a new machine has none.
func (r *Reconciler) replaceKey(ctx context.Context, s *scope) error {
	c, err := r.Access.TailnetClient(ctx, s.tailnet)
	if err != nil {
		return err
	}
	// Nobody but this process makes keys of the machine: since it looks, there can have come only
	// the replaced one, or one with a lost answer. The search begins anew after the latter.
	since := r.creations.searches.Since(s.search(), s.now)
	if s.key.Exists {
		since = s.now
	}
	if !s.isNew(&r.creations) {
		if err := tailnetnode.RevokeKeys(ctx, c, s.owner, since, ""); err != nil {
			return err
		}
	}
	r.creations.mayHaveMade(client.ObjectKeyFromObject(s.own))
	err = s.key.Mint(ctx, c, tailnet.KeySpec{
		Tags: s.deviceTags(s.tailnet), Expiry: tailnet.MaxKeyExpiry, Description: s.owner.KeyDescription(),
	})
	if err != nil {
		r.creations.searchAnew(client.ObjectKeyFromObject(s.own), s.options.Clock())
		return keyProblem(err)
	}
	return nil
}

// keyProblem gives a refusal of this key, rather than of the credentials, its own reason.
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
