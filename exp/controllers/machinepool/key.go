// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// Keys of the Secret that holds a pool's tailnet key, and the ending of its name after the pool's.
const (
	keySecretID      = "id"
	keySecretValue   = "authKey"
	keySecretExpires = "expires"
	keySecretSuffix  = "-pool-tailnet-key"
)

// joinKey is the key in the pool's Secret.
type joinKey struct {
	id      string
	secret  cloudinit.Secret
	expires time.Time
}

// poolOwner is the pool as the owner of its keys: users can give it another's identity, but not
// namespace and name with it.
func (s *scope) poolOwner() ownership.Owner {
	return ownership.MachinePool(s.identity, s.own.Namespace, s.own.Name)
}

// tailnetKey reads the key, and makes another one once half of its life is over: an instance may be launched at any time, by OCI
// itself, and must then have enough of it left to join. A pool without instances that wants none has no use for one.
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
		Reusable: true, Tags: s.tailnet.Spec.NodeTags, Expiry: life, Description: s.poolOwner().KeyDescription(),
	})
	if err != nil {
		return err
	}
	s.key = joinKey{id: made.ID, secret: cloudinit.Secret(made.Secret.Reveal()), expires: made.Expires.UTC().Truncate(time.Second)}
	return r.writeKey(ctx, s)
}

func (s *scope) keySecret() client.ObjectKey {
	return client.ObjectKey{Namespace: s.own.Namespace, Name: s.own.Name + keySecretSuffix}
}

func (r *Reconciler) loadKey(ctx context.Context, s *scope) error {
	secret := &corev1.Secret{}
	if err := r.Client.Get(ctx, s.keySecret(), secret); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("reading the tailnet key: %w", err)
	}
	expires, err := time.Parse(time.RFC3339, string(secret.Data[keySecretExpires]))
	if err == nil && len(secret.Data[keySecretValue]) > 0 && metav1.IsControlledBy(secret, s.own) {
		s.key = joinKey{id: string(secret.Data[keySecretID]), secret: cloudinit.Secret(secret.Data[keySecretValue]), expires: expires}
	}
	return nil
}

func (r *Reconciler) writeKey(ctx context.Context, s *scope) error {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.keySecret().Namespace, Name: s.keySecret().Name}}
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, secret, func() error {
		secret.Labels = map[string]string{clusterv1.ClusterNameLabel: s.clusterName()}
		secret.Type = clusterv1.ClusterSecretType
		secret.Data = map[string][]byte{
			keySecretID: []byte(s.key.id), keySecretValue: []byte(string(s.key.secret)),
			keySecretExpires: []byte(s.key.expires.Format(time.RFC3339)),
		}
		return controllerutil.SetControllerReference(s.own, secret, r.Client.Scheme())
	})
	if err != nil {
		return fmt.Errorf("writing the tailnet key: %w", err)
	}
	return nil
}

// revokeAllKeysBut revokes the pool's keys but one.
func (s *scope) revokeAllKeysBut(ctx context.Context, current string) error {
	keys, err := s.joins.KeysSince(ctx, s.poolOwner().KeyDescription(), time.Now())
	if err != nil {
		return err
	}
	for _, key := range keys {
		proof, proven := s.poolOwner().Described(key.ID, key.Description)
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
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.keySecret().Namespace, Name: s.keySecret().Name}}
	if err := r.Client.Delete(ctx, secret); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting the tailnet key: %w", err)
	}
	return nil
}
