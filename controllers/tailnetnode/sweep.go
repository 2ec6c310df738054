// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
)

const (
	sweepInterval = time.Hour
	// KeyGrace is how old a Secret is before it is swept. A machine's key has expired by then, and
	// a restore that brings Secrets back before their objects has time to finish.
	KeyGrace = time.Hour
	// pageSize bounds what one answer of the API server holds in memory.
	pageSize = 500
)

// KeySweeper deletes Secrets whose object is gone. Owner references would do that within a
// namespace; across namespaces there are none. An object deletes its own Secret before its
// finalizer goes, so that what is left comes from finalizers that were removed by hand and from
// "clusterctl move".
type KeySweeper struct {
	KeyStore
	// Cache finds objects without a request; Reader asks the API server before anything is deleted.
	Cache, Reader client.Reader
	// Kinds make an empty object of each kind that has keys. Secrets of other kinds are left alone.
	Kinds map[string]func() client.Object
	// WatchNamespace is the only one whose objects are this manager's; empty means all.
	WatchNamespace string
	// Clock tells the time; time.Now if nil.
	Clock func() time.Time
}

// Start sweeps every hour until the context ends. Only the leader does.
func (s *KeySweeper) Start(ctx context.Context) error {
	wait.JitterUntilWithContext(ctx, func(ctx context.Context) {
		if err := s.Sweep(ctx); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "Failed to sweep tailnet keys whose objects are gone; retrying in an hour")
		}
	}, sweepInterval, 0.1, true)
	return nil
}

// Sweep looks through all Secrets once. A failure of one does not keep the others.
func (s *KeySweeper) Sweep(ctx context.Context) error {
	var failures []error
	page := &metav1.PartialObjectMetadataList{}
	page.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	for {
		err := s.Reader.List(ctx, page, client.InNamespace(s.Namespace), client.HasLabels{KindLabel},
			client.Limit(pageSize), client.Continue(page.Continue))
		if err != nil {
			return kerrors.NewAggregate(append(failures, fmt.Errorf("listing the tailnet keys: %w", err)))
		}
		for i := range page.Items {
			if err := s.sweepOne(ctx, &page.Items[i]); err != nil {
				failures = append(failures, err)
			}
		}
		if page.Continue == "" {
			return kerrors.NewAggregate(failures)
		}
	}
}

func (s *KeySweeper) sweepOne(ctx context.Context, secret *metav1.PartialObjectMetadata) error {
	owner := ownerIn(secret)
	newObject, known := s.Kinds[owner.Kind]
	switch {
	case !known, secret.Name != owner.SecretName(), s.now().Sub(secret.CreationTimestamp.Time) < KeyGrace:
		return nil
	case s.WatchNamespace != "" && s.WatchNamespace != owner.Namespace:
		return nil
	}
	for _, reader := range []client.Reader{s.Cache, s.Reader} {
		object := newObject()
		err := reader.Get(ctx, client.ObjectKey{Namespace: owner.Namespace, Name: owner.Name}, object)
		switch {
		case err == nil && identity.Of(object) == owner.Identity:
			return nil
		case client.IgnoreNotFound(err) != nil:
			return fmt.Errorf("looking for %s: %w", owner, err)
		}
	}
	// The API version and kind of a list's items are not set.
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	if err := s.delete(ctx, secret); err != nil {
		if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return nil
		}
		return fmt.Errorf("deleting the tailnet key of %s, which is gone: %w", owner, err)
	}
	ctrl.LoggerFrom(ctx).Info("Deleted a tailnet key whose object is gone", "owner", owner.String(), "secret", secret.Name)
	return nil
}

func (s *KeySweeper) now() time.Time {
	if s.Clock != nil {
		return s.Clock()
	}
	return time.Now()
}
