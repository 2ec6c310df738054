// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package identity gives objects an identity that "clusterctl move" does not change. What is made
// in OCI and in a tailnet is tagged with the UID that its object was first seen with; a moved
// object has a new UID and must still find it.
package identity

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// Ensure writes the finalizer and the identity, before anything is made that they are there for.
// written says that it did, and that the write brings a pass. The object is as it was written, so
// that this one may go on. One that is being deleted is left as it is. A new one gets the
// annotations, of decisions for its whole life, too.
func Ensure(ctx context.Context, c client.Client, object client.Object, finalizer string, decided map[string]string) (written bool, err error) {
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
		maps.Copy(annotations, decided)
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

// OfCluster is the cluster as an owner of what is made for it.
func OfCluster(cluster *infrav1.OCIMeshCluster) ownership.Owner {
	return ownership.Cluster(Of(cluster), cluster.Namespace, cluster.Name)
}

// OfMachine is the machine as an owner of what is made for it.
func OfMachine(machine *infrav1.OCIMeshMachine) ownership.Owner {
	return ownership.Machine(Of(machine), machine.Namespace, machine.Name)
}

// TagsIn are the owner's tags, and those of the cluster that it is a part of, unless that is gone.
func TagsIn(cluster *infrav1.OCIMeshCluster, owner ownership.Owner) map[string]string {
	if cluster == nil {
		return owner.Tags()
	}
	return owner.TagsWith(OfCluster(cluster))
}

// IsNew tells whether the object has no identity yet: nothing can have been made for it under the
// one that it will get.
func IsNew(object client.Object) bool { return recorded(object) == "" }

// Of is the UID that the object was first seen with, as far as its annotation says. Users can write
// that: it names what to look for and proves nothing. See package ownership.
func Of(object client.Object) string {
	if uid := recorded(object); uid != "" {
		return uid
	}
	return string(object.GetUID())
}

// recorded is the UID in the annotation. An annotation that was copied from another object does not
// count.
func recorded(object client.Object) string {
	uid, ours := strings.CutPrefix(object.GetAnnotations()[infrav1.IdentityAnnotation], object.GetNamespace()+"/"+object.GetName()+"/")
	if !ours || !isUID(uid) {
		return ""
	}
	return uid
}

// isUID tells whether a text can be a UID. Users write annotations: what is none would be refused
// where it ends up, in tags, names and other objects' statuses.
func isUID(text string) bool {
	if text == "" || len(text) > maxUID {
		return false
	}
	for _, r := range text {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' {
			return false
		}
	}
	return true
}

// maxUID is the length of what Kubernetes gives as a UID, 36 (RFC 4122), with room for another
// generator.
const maxUID = 64
