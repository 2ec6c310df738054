// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package identity gives objects an identity that "clusterctl move" does not change. What is made in OCI and in a tailnet is
// tagged with the UID that its object was first seen with; a moved object has a new UID and must still find it.
package identity

import (
	"context"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// Ensure writes the finalizer and the identity, before anything is made that they are there for. written says that the pass is
// over: the write brings the next one. An object that is being deleted is left as it is.
func Ensure(ctx context.Context, c client.Client, object client.Object, finalizer string) (written bool, err error) {
	if !object.GetDeletionTimestamp().IsZero() {
		return false, nil
	}
	before := object.DeepCopyObject().(client.Object)
	added := controllerutil.AddFinalizer(object, finalizer)
	if IsNew(object) {
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[infrav1.IdentityAnnotation] = fmt.Sprintf("%s/%s/%s", object.GetNamespace(), object.GetName(), object.GetUID())
		object.SetAnnotations(annotations)
		added = true
	}
	if !added {
		return false, nil
	}
	if err := c.Patch(ctx, object, client.MergeFrom(before)); err != nil {
		return false, fmt.Errorf("adding the finalizer: %w", err)
	}
	return true, nil
}

// IsNew tells whether the object has no identity yet: nothing can have been made for it under the one that it will get.
func IsNew(object client.Object) bool { return recorded(object) == "" }

// Of is the UID that the object was first seen with.
func Of(object client.Object) string {
	if uid := recorded(object); uid != "" {
		return uid
	}
	return string(object.GetUID())
}

// recorded is the UID in the annotation. An annotation that was copied from another object does not count.
func recorded(object client.Object) string {
	uid, ours := strings.CutPrefix(object.GetAnnotations()[infrav1.IdentityAnnotation], object.GetNamespace()+"/"+object.GetName()+"/")
	if !ours || strings.Contains(uid, "/") {
		return ""
	}
	return uid
}
