// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/cluster-api/util"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// +kubebuilder:rbac:groups="",resources=secrets,verbs=patch

// OwnSecret makes the account or tailnet an owner of its credentials, so that clusterctl move takes the Secret along
// (Cluster API's book, clusterctl provider contract, "move"). A Secret that does not exist is not this function's problem.
func OwnSecret(ctx context.Context, c client.Client, owner client.Object, ref infrav1.SecretReference) error {
	if ref.Name == "" {
		return nil
	}
	gvk, err := apiutil.GVKForObject(owner, c.Scheme())
	if err != nil {
		return fmt.Errorf("finding the kind of %s: %w", owner.GetName(), err)
	}
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	key := client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}
	if err := c.Get(ctx, key, secret); err != nil {
		return client.IgnoreNotFound(err)
	}
	before := secret.DeepCopy()
	apiVersion, kind := gvk.ToAPIVersionAndKind()
	secret.OwnerReferences = util.EnsureOwnerRef(secret.OwnerReferences, metav1.OwnerReference{
		APIVersion: apiVersion, Kind: kind, Name: owner.GetName(), UID: owner.GetUID(),
	})
	if slices.EqualFunc(before.OwnerReferences, secret.OwnerReferences, sameOwner) {
		return nil
	}
	// The list is replaced as a whole: without the lock, an owner added meanwhile would be lost.
	err = c.Patch(ctx, secret, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("making %s %s an owner of Secret %s: %w", kind, owner.GetName(), key, err)
	}
	return nil
}

func sameOwner(a, b metav1.OwnerReference) bool {
	return a.APIVersion == b.APIVersion && a.Kind == b.Kind && a.Name == b.Name && a.UID == b.UID
}
