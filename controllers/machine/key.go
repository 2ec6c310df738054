// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

// Keys of the Secret that holds a machine's tailnet key until the machine has joined.
const (
	keySecretID      = "id"
	keySecretValue   = "authKey"
	keySecretExpires = "expires"
)

// keySecretSuffix follows the machine's name in the Secret's.
const keySecretSuffix = "-tailnet-key"

// joinKey is the key that a machine joins with.
type joinKey struct {
	id      string
	secret  cloudinit.Secret
	expires time.Time
}

// tailnetKey makes sure of a key that lives long enough to boot with. The key is kept, since launches under one retry token
// must be the same to the last byte.
func (r *Reconciler) tailnetKey(ctx context.Context, s *scope) error {
	if s.launched() {
		if s.key.id != "" && s.own.Status.Tailnet.KeyID == "" && s.own.Status.Tailnet.DeviceID == "" {
			// The pass that launched the machine could not write it down.
			s.recordKey()
		}
		return nil
	}
	// However patient an operator is, a fresh key is not too old at once: each pass would launch under another retry token.
	margin := min(r.Options.withDefaults().JoinTimeout, tailnet.MaxKeyExpiry/2)
	if s.key.expires.Sub(s.now) < margin || !joinedIn(s.own.Status.Tailnet, s.tailnet.Name) {
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
	status.Name, status.Hostname, status.KeyID = s.tailnet.Name, s.hostname, s.key.id
	status.KeyExpires = metav1.NewTime(s.key.expires)
}

// mint makes a key. Keys that an earlier pass made and could not write down are revoked first: there are none if there was no pass that
// could.
func (r *Reconciler) mint(ctx context.Context, s *scope) error {
	c, err := r.Access.TailnetClient(ctx, s.tailnet)
	if err != nil {
		return failed(infrav1.TailnetReadyCondition, err)
	}
	// Nobody but this process makes keys of the machine: since it looks, there can have come only the one that is replaced, or one
	// that was lost, after which the search begins anew.
	since := r.ledger.searchedSince(s.search(), s.now)
	if s.keyExists {
		since = s.now
	}
	if !r.isUnborn(s) {
		if err := revokeKeys(ctx, c, identity.OfMachine(s.own), since); err != nil {
			return failed(infrav1.TailnetReadyCondition, err)
		}
	}
	r.ledger.born(client.ObjectKeyFromObject(s.own))
	made, err := c.CreateKey(ctx, tailnet.KeySpec{
		Tags: s.deviceTags(s.tailnet), Expiry: tailnet.MaxKeyExpiry, Description: identity.OfMachine(s.own).KeyDescription(),
	})
	if err != nil {
		r.ledger.searchAnew(client.ObjectKeyFromObject(s.own), r.Options.withDefaults().Clock())
		return failed(infrav1.TailnetReadyCondition, keyProblem(err))
	}
	s.key = joinKey{id: made.ID, secret: cloudinit.Secret(made.Secret.Reveal()), expires: made.Expires.UTC().Truncate(time.Second)}
	if err := r.writeKey(ctx, s); err != nil {
		r.ledger.searchAnew(client.ObjectKeyFromObject(s.own), r.Options.withDefaults().Clock())
		return err
	}
	return nil
}

// keyProblem gives a refusal that is about this key, rather than about the credentials, its own reason.
func keyProblem(err error) error {
	problem := access.AsProblem(err)
	if problem.Reason == infrav1.RequestRefusedReason {
		return &access.Problem{Reason: infrav1.KeyRefusedReason, Message: problem.Message, Err: err}
	}
	return err
}

// keyRevoker finds and revokes keys.
type keyRevoker interface {
	KeysSince(ctx context.Context, description string, notBefore time.Time) ([]tailnet.Key, error)
	RevokeKey(ctx context.Context, proof ownership.Proof) error
}

// revokeKeys goes by a list that was begun at or after the time. A key is the machine's by its
// description, which no other object's keys have, whatever users write.
func revokeKeys(ctx context.Context, c keyRevoker, owner ownership.Owner, since time.Time) error {
	keys, err := c.KeysSince(ctx, owner.KeyDescription(), since)
	if err != nil {
		return err
	}
	for _, key := range keys {
		proof, proven := owner.Described(key.ID, key.Description)
		if !proven {
			continue
		}
		if err := c.RevokeKey(ctx, proof); err != nil {
			return err
		}
	}
	return nil
}

// deviceTags are what the machine's device is tagged with in a tailnet.
func (s *scope) deviceTags(in *infrav1.Tailnet) []string {
	if s.isControlPlane() {
		return in.Spec.ControlPlaneTags
	}
	return in.Spec.NodeTags
}

func (s *scope) keySecret() client.ObjectKey {
	return client.ObjectKey{Namespace: s.own.Namespace, Name: s.own.Name + keySecretSuffix}
}

// loadKey reads the key that an earlier pass stored. One that is malformed or another object's counts as none.
func (r *Reconciler) loadKey(ctx context.Context, s *scope) error {
	secret := &corev1.Secret{}
	if err := r.Client.Get(ctx, s.keySecret(), secret); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("reading the tailnet key: %w", err)
	}
	s.keyExists = true
	expires, err := time.Parse(time.RFC3339, string(secret.Data[keySecretExpires]))
	if err == nil && len(secret.Data[keySecretValue]) > 0 && metav1.IsControlledBy(secret, s.own) {
		s.key = joinKey{
			id: string(secret.Data[keySecretID]), secret: cloudinit.Secret(secret.Data[keySecretValue]), expires: expires,
		}
	}
	return nil
}

func (r *Reconciler) writeKey(ctx context.Context, s *scope) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.keySecret().Namespace, Name: s.keySecret().Name}}
	fill := func() error {
		secret.Labels = map[string]string{clusterv1.ClusterNameLabel: s.cluster.Name}
		secret.Type = clusterv1.ClusterSecretType
		secret.Data = map[string][]byte{
			keySecretID:      []byte(s.key.id),
			keySecretValue:   []byte(string(s.key.secret)),
			keySecretExpires: []byte(s.key.expires.Format(time.RFC3339)),
		}
		return controllerutil.SetControllerReference(s.own, secret, r.Client.Scheme())
	}
	err := fill()
	switch {
	case err != nil:
	case s.keyExists:
		_, err = controllerutil.CreateOrUpdate(ctx, r.Client, secret, fill)
	default:
		// This pass has looked.
		err = r.Client.Create(ctx, secret)
	}
	if err != nil {
		return fmt.Errorf("writing the tailnet key: %w", err)
	}
	return nil
}

// dropKey revokes the machine's key, unless it was seen to be used, and forgets it.
func (r *Reconciler) dropKey(ctx context.Context, s *scope, c *tailnet.Client, used bool) error {
	if id := s.own.Status.Tailnet.KeyID; id != "" && !used {
		err := c.RevokeKey(ctx, ownership.Recorded(id))
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
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.keySecret().Namespace, Name: s.keySecret().Name}}
	if err := r.Client.Delete(ctx, secret); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the tailnet key: %w", err)
	}
	return nil
}
