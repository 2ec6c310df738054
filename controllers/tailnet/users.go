// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/vip"
)

// findUsers finds the clusters that use the tailnet: those that name it and may use it, and those
// that did while they might. Others have no effect here.
func (r *Reconciler) findUsers(ctx context.Context, s *scope) error {
	// A cache may lag; what it does not show must not lose its credentials. If it holds one
	// namespace only, managers of different namespaces would take turns in writing different users,
	// each write waking the other.
	reader := client.Reader(r.Client)
	if !s.tailnet.DeletionTimestamp.IsZero() || r.Options.Namespace != "" {
		reader = r.Reader
	}
	clusters := &infrav1.OCIMeshClusterList{}
	if err := reader.List(ctx, clusters); err != nil {
		return fmt.Errorf("listing OCIMeshClusters: %w", err)
	}
	for i := range clusters.Items {
		cluster := &clusters.Items[i]
		if cluster.Spec.TailnetRef.Name != s.tailnet.Name {
			continue
		}
		uses, err := r.uses(ctx, s.tailnet, cluster)
		if err != nil {
			return err
		}
		if uses {
			s.users = append(s.users, infrav1.ObjectUser{Namespace: cluster.Namespace, Name: cluster.Name})
		}
	}
	slices.SortFunc(s.users, func(a, b infrav1.ObjectUser) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return nil
}

// uses tells whether a cluster that names the tailnet may use it, or did while it might: it is
// provisioned only while it may, and tailnetRef cannot be changed.
func (r *Reconciler) uses(ctx context.Context, tn *infrav1.Tailnet, cluster *infrav1.OCIMeshCluster) (bool, error) {
	if ptr.Deref(cluster.Status.Initialization.Provisioned, false) || vip.HoldsAny(tn, cluster) {
		return true, nil
	}
	return r.Clients.MayUseTailnet(ctx, tn, cluster.Namespace)
}

// clusterToTailnet is the tailnet that the cluster uses. It lists its devices whenever it is looked
// at: not for who may not use it.
func (r *Reconciler) clusterToTailnet(ctx context.Context, object client.Object) []reconcile.Request {
	cluster, ok := object.(*infrav1.OCIMeshCluster)
	if !ok {
		return nil
	}
	tn := &infrav1.Tailnet{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: cluster.Spec.TailnetRef.Name}, tn); err != nil {
		return nil
	}
	if uses, err := r.uses(ctx, tn, cluster); err == nil && !uses {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(tn)}}
}

func (r *Reconciler) secretToTailnets(ctx context.Context, secret client.Object) []reconcile.Request {
	tailnets := &infrav1.TailnetList{}
	if err := r.Client.List(ctx, tailnets); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range tailnets.Items {
		ref := tailnets.Items[i].Spec.Credentials.SecretRef
		if ref.Namespace == secret.GetNamespace() && ref.Name == secret.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&tailnets.Items[i])})
		}
	}
	return requests
}
