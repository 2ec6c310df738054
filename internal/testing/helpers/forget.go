// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package helpers

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// forgotten are the namespaced kinds that controllers list in all namespaces, or watch.
var forgotten = []schema.GroupVersionKind{
	expv1.GroupVersion.WithKind("OCIMeshMachinePoolMachine"), expv1.GroupVersion.WithKind("OCIMeshMachinePool"),
	infrav1.GroupVersion.WithKind("OCIMeshMachine"), infrav1.GroupVersion.WithKind("OCIMeshCluster"),
	clusterv1.GroupVersion.WithKind("Machine"), clusterv1.GroupVersion.WithKind("MachinePool"), clusterv1.GroupVersion.WithKind("Cluster"),
}

// forget removes what a test leaves in the API server, whatever its finalizers stand for: the
// simulators end with the test as well. Otherwise every list would grow with the tests that were
// before, and reading them would take a third of a package's time.
func (w *World) forget(t *testing.T) {
	t.Helper()
	// The test's own context has ended.
	ctx := context.Background()
	var left []client.Object
	for _, kind := range forgotten {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		if err := w.Client.List(ctx, list, client.InNamespace(w.Namespace)); err != nil {
			t.Errorf("listing what the test leaves: %s", err)
			continue
		}
		for i := range list.Items {
			list.Items[i].SetGroupVersionKind(kind)
			left = append(left, &list.Items[i])
		}
	}
	for _, account := range w.Accounts {
		left = append(left, named(infrav1.GroupVersion.WithKind("OCIAccount"), account.Name))
	}
	left = append(left, w.tailnets(ctx, t)...)
	free := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
	for _, object := range left {
		// Deleted first, it is not found by the patch unless a finalizer holds it.
		for _, err := range []error{w.Client.Delete(ctx, object), w.Client.Patch(ctx, object, free)} {
			if client.IgnoreNotFound(err) != nil {
				t.Errorf("removing %s %s, which the test leaves: %s", object.GetObjectKind().GroupVersionKind().Kind, object.GetName(), err)
			}
		}
	}
}

// tailnets are the Tailnets of the world's control server.
func (w *World) tailnets(ctx context.Context, t *testing.T) []client.Object {
	t.Helper()
	if w.Tailnet == nil {
		return nil
	}
	all := &infrav1.TailnetList{}
	if err := w.Client.List(ctx, all); err != nil {
		t.Errorf("listing the Tailnets that the test leaves: %s", err)
	}
	var found []client.Object
	for _, tn := range all.Items {
		if tn.Spec.LoginServer == w.Tailnet.Spec.LoginServer {
			found = append(found, named(infrav1.GroupVersion.WithKind("Tailnet"), tn.Name))
		}
	}
	return found
}

func named(kind schema.GroupVersionKind, name string) client.Object {
	object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name}}
	object.SetGroupVersionKind(kind)
	return object
}
