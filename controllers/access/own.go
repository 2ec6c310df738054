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

// "namespace=system" is the manager's own: kustomize names it.
// +kubebuilder:rbac:groups="",namespace=system,resources=secrets,verbs=patch

// MoveLabel on a Secret with credentials asks for it to be taken along by "clusterctl move". It is
// clusterctl's own label (clusterctlv1.ClusterctlMoveLabel).
const MoveLabel = "clusterctl.cluster.x-k8s.io/move"

// OwnSecret makes the account or tailnet an owner of its credentials if these are in the manager's
// namespace and carry MoveLabel. Other Secrets are never written. The label alone makes clusterctl
// take a Secret along, but also delete it in the source and overwrite one that is in the target,
// although the account stays in the source. clusterctl does neither to what a cluster-scoped object
// owns (cluster-api v1.14.2, cmd/clusterctl/client/cluster/mover.go: createTargetObject,
// deleteSourceObject). A Secret that does not exist is not this function's problem.
func (c *Clients) OwnSecret(ctx context.Context, owner client.Object, ref infrav1.SecretReference) error {
	if ref.Name == "" || ref.Namespace != c.options.Namespace {
		return nil
	}
	kube := c.options.Client
	gvk, err := apiutil.GVKForObject(owner, kube.Scheme())
	if err != nil {
		return fmt.Errorf("finding the kind of %s: %w", owner.GetName(), err)
	}
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	key := client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}
	if err := kube.Get(ctx, key, secret); err != nil {
		return client.IgnoreNotFound(err)
	}
	if _, wanted := secret.Labels[MoveLabel]; !wanted {
		return nil
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
	err = kube.Patch(ctx, secret, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("making %s %s an owner of Secret %s: %w", kind, owner.GetName(), key, err)
	}
	return nil
}

func sameOwner(a, b metav1.OwnerReference) bool {
	return a.APIVersion == b.APIVersion && a.Kind == b.Kind && a.Name == b.Name && a.UID == b.UID
}
