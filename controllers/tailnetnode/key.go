// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/cloudinit"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// "namespace=system" is the manager's own: kustomize names it.
// +kubebuilder:rbac:groups="",namespace=system,resources=secrets,verbs=create;update;delete

// KindLabel marks the Secrets with keys. Its value is the kind of the object whose key it is.
const KindLabel = "infrastructure.cluster.x-k8s.io/tailnet-key-of"

// Annotations name the object whose key a Secret holds: names are longer than a label may be.
const (
	NamespaceAnnotation = "infrastructure.cluster.x-k8s.io/tailnet-key-namespace"
	NameAnnotation      = "infrastructure.cluster.x-k8s.io/tailnet-key-name"
	IdentityAnnotation  = "infrastructure.cluster.x-k8s.io/tailnet-key-identity"
)

// Keys of the Secret's data.
const (
	dataID      = "id"
	dataValue   = "authKey"
	dataExpires = "expires"
)

// KeyOwner is the object that a key is for. Users can forge an identity, but not a namespace and a
// name that are another's, so that all four are needed to tell owners apart.
type KeyOwner struct {
	Kind, Namespace, Name string
	// Identity is identity.Of the object.
	Identity string
}

// SecretName is a digest: whoever forges one part of a KeyOwner gets another name.
func (o KeyOwner) SecretName() string {
	digest := sha256.Sum256([]byte(strings.Join([]string{o.Kind, o.Namespace, o.Name, o.Identity}, "\x00")))
	return "tailnet-key-" + hex.EncodeToString(digest[:20])
}

func (o KeyOwner) String() string { return fmt.Sprintf("%s %s/%s", o.Kind, o.Namespace, o.Name) }

// ownerIn is the KeyOwner that a Secret names.
func ownerIn(secret metav1.Object) KeyOwner {
	annotations := secret.GetAnnotations()
	return KeyOwner{
		Kind: secret.GetLabels()[KindLabel], Namespace: annotations[NamespaceAnnotation], Name: annotations[NameAnnotation],
		Identity: annotations[IdentityAnnotation],
	}
}

// Key is a tailnet key.
type Key struct {
	ID      string
	Value   cloudinit.Secret
	Expires time.Time
}

// KeyStore reads and writes the Secrets with the keys of machines and machine pools, in the
// manager's own namespace. A machine's Secret is the write-ahead record of its launch: a placement
// without one was never launched. Users must not be able to delete or forge that record, so it does
// not lie in their namespace (docs/decisions/0018-secrets.md).
type KeyStore struct {
	// Client reads Secrets from the API server rather than from a cache.
	Client client.Client
	// Namespace is the manager's own.
	Namespace string
}

// Load returns the key of the owner. exists says that there is a Secret, whether or not its key can
// be read; one that names another owner counts as none.
func (s KeyStore) Load(ctx context.Context, owner KeyOwner) (key Key, exists bool, err error) {
	secret, err := s.get(ctx, owner)
	if apierrors.IsNotFound(err) || errors.Is(err, errForeign) {
		return Key{}, false, nil
	}
	if err != nil {
		return Key{}, false, fmt.Errorf("reading the tailnet key: %w", err)
	}
	expires, err := time.Parse(time.RFC3339, string(secret.Data[dataExpires]))
	if err != nil || len(secret.Data[dataValue]) == 0 {
		return Key{}, true, nil
	}
	return Key{ID: string(secret.Data[dataID]), Value: cloudinit.Secret(secret.Data[dataValue]), Expires: expires}, true, nil
}

// Write stores the key of the owner in place of an earlier one.
func (s KeyStore) Write(ctx context.Context, owner KeyOwner, key Key) error {
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Namespace, Name: owner.SecretName(), Labels: map[string]string{KindLabel: owner.Kind},
			Annotations: map[string]string{
				NamespaceAnnotation: owner.Namespace, NameAnnotation: owner.Name, IdentityAnnotation: owner.Identity,
			},
		},
		Type: clusterv1.ClusterSecretType,
		Data: map[string][]byte{
			dataID: []byte(key.ID), dataValue: []byte(string(key.Value)), dataExpires: []byte(key.Expires.Format(time.RFC3339)),
		},
	}
	err := s.Client.Create(ctx, secret)
	if apierrors.IsAlreadyExists(err) {
		var before *corev1.Secret
		if before, err = s.get(ctx, owner); err == nil {
			before.Data = secret.Data
			err = s.Client.Update(ctx, before)
		}
	}
	if err != nil {
		return fmt.Errorf("writing the tailnet key: %w", err)
	}
	return nil
}

// Delete deletes the owner's Secret, if there is one.
func (s KeyStore) Delete(ctx context.Context, owner KeyOwner) error {
	secret, err := s.get(ctx, owner)
	if err == nil {
		err = s.delete(ctx, secret)
	}
	if err != nil && !errors.Is(err, errForeign) && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting the tailnet key: %w", err)
	}
	return nil
}

// delete deletes the Secret as it was read: one that took its place is not it.
func (s KeyStore) delete(ctx context.Context, secret client.Object) error {
	uid, version := secret.GetUID(), secret.GetResourceVersion()
	return s.Client.Delete(ctx, secret, client.Preconditions{UID: &uid, ResourceVersion: &version})
}

// errForeign says that a Secret of the owner's name is not the owner's.
var errForeign = errors.New("the Secret is not this object's")

func (s KeyStore) get(ctx context.Context, owner KeyOwner) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	if err := s.Client.Get(ctx, client.ObjectKey{Namespace: s.Namespace, Name: owner.SecretName()}, secret); err != nil {
		return nil, err
	}
	if named := ownerIn(secret); named != owner {
		return nil, fmt.Errorf("%w: Secret %s/%s is of %q, not of %q: remove it", errForeign, s.Namespace, secret.Name, named, owner)
	}
	return secret, nil
}

// KeyOwnerOf describes an object by its kind and identity.
func KeyOwnerOf(kind string, object client.Object, identity string) KeyOwner {
	return KeyOwner{Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName(), Identity: identity}
}

// KeyMaker makes keys.
type KeyMaker interface {
	CreateKey(ctx context.Context, spec tailnet.KeySpec) (tailnet.Key, error)
}

// Mint makes a key for the owner and stores it. A key whose answer was lost, or that cannot be
// stored, is found by its description: see RevokeKeys.
func (s KeyStore) Mint(ctx context.Context, c KeyMaker, owner KeyOwner, spec tailnet.KeySpec) (Key, error) {
	made, err := c.CreateKey(ctx, spec)
	if err != nil {
		return Key{}, err
	}
	key := Key{ID: made.ID, Value: cloudinit.Secret(made.Secret.Reveal()), Expires: made.Expires.UTC().Truncate(time.Second)}
	return key, s.Write(ctx, owner, key)
}

// KeyRevoker finds and revokes keys.
type KeyRevoker interface {
	KeysSince(ctx context.Context, description string, notBefore time.Time) ([]tailnet.Key, error)
	RevokeKey(ctx context.Context, proof ownership.Proof) error
}

// RevokeKeys revokes the keys of the owner but one, by a list that was begun at or after the time;
// an empty but spares none. A key is the owner's by its description, which no other object's keys
// have, whatever users write.
func RevokeKeys(ctx context.Context, c KeyRevoker, owner ownership.Owner, since time.Time, but string) error {
	keys, err := c.KeysSince(ctx, owner.KeyDescription(), since)
	if err != nil {
		return err
	}
	for _, key := range keys {
		proof, proven := owner.Described(key.ID, key.Description)
		if !proven || key.ID == but {
			continue
		}
		if err := c.RevokeKey(ctx, proof); err != nil {
			return err
		}
	}
	return nil
}
