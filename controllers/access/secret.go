// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// credentials is a version of a Secret, read on demand.
type credentials struct {
	uid, version string
	read         func() (*corev1.Secret, error)
}

// credentials finds the present version of the Secret: with a cache of metadata without a call.
func (c *Clients) credentials(ctx context.Context, ref infrav1.SecretReference) (credentials, error) {
	key := client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}
	if own, watched := c.options.Namespace, c.options.WatchNamespace; watched != "" && key.Namespace != watched && key.Namespace != own {
		return credentials{}, NewProblem(infrav1.SecretNotFoundReason,
			"Secret %s is out of reach of a manager for namespace %s: move it there or into namespace %s", key, watched, own)
	}
	if c.options.SecretMetadata == nil {
		secret, err := c.secret(ctx, key)
		if err != nil {
			return credentials{}, err
		}
		return credentials{
			uid: string(secret.UID), version: secret.ResourceVersion,
			read: func() (*corev1.Secret, error) { return secret, nil },
		}, nil
	}
	meta := &metav1.PartialObjectMetadata{}
	meta.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	if err := c.options.SecretMetadata.Get(ctx, key, meta); err != nil {
		return credentials{}, secretProblem(key, err)
	}
	return credentials{
		uid: string(meta.UID), version: meta.ResourceVersion,
		read: func() (*corev1.Secret, error) { return c.secret(ctx, key) },
	}, nil
}

func (c *Clients) secret(ctx context.Context, key client.ObjectKey) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	if err := c.options.Client.Get(ctx, key, secret); err != nil {
		return nil, secretProblem(key, err)
	}
	return secret, nil
}

func secretProblem(key client.ObjectKey, err error) error {
	if apierrors.IsNotFound(err) {
		return &Problem{
			Reason:  infrav1.SecretNotFoundReason,
			Message: fmt.Sprintf("Secret %s with the credentials does not exist: create it", key),
			Err:     err,
		}
	}
	return fmt.Errorf("reading Secret %s: %w", key, err)
}

// require names the keys that the Secret lacks.
func require(secret *corev1.Secret, keys ...string) error {
	for _, key := range keys {
		if len(secret.Data[key]) == 0 {
			return NewProblem(infrav1.SecretInvalidReason, "Secret %s/%s has no key %s: add it",
				secret.Namespace, secret.Name, key)
		}
	}
	return nil
}
