// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
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
	users := []infrav1.ObjectUser{}
	s.pods, s.podRanges, s.occupied = nil, nil, ""
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
			users = append(users, infrav1.ObjectUser{Namespace: cluster.Namespace, Name: cluster.Name})
			s.pods = append(s.pods, cluster.Spec.PodNetwork.Mode)
			s.podRanges = append(s.podRanges, routedPods(cluster)...)
			if taken := vip.Occupied(s.tailnet.Spec.VIPRange, cluster); taken != "" && s.occupied == "" {
				s.occupied = fmt.Sprintf("%s of OCIMeshCluster %s/%s", taken, cluster.Namespace, cluster.Name)
			}
		}
	}
	slices.SortFunc(s.podRanges, netip.Prefix.Compare)
	s.podRanges = slices.Compact(s.podRanges)
	slices.SortFunc(users, func(a, b infrav1.ObjectUser) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	s.users = users
	return nil
}

// routedPods are the cluster's pod ranges that the tailnet has routes to, once they are recorded:
// routes are of IPv4 only.
func routedPods(cluster *infrav1.OCIMeshCluster) []netip.Prefix {
	if !cluster.Spec.PodNetwork.Mode.OnTailnet() {
		return nil
	}
	return cloud.IPv4Networks(cluster.Status.Ranges.Pods)
}

// uses tells whether a cluster that names the tailnet may use it, or did while it might: it is
// provisioned only while it may, and tailnetRef cannot be changed.
func (r *Reconciler) uses(ctx context.Context, tn *infrav1.Tailnet, cluster *infrav1.OCIMeshCluster) (bool, error) {
	if ptr.Deref(cluster.Status.Initialization.Provisioned, false) || vip.HoldsAny(tn, cluster) {
		return true, nil
	}
	return r.Clients.MayUseTailnet(ctx, tn, cluster.Namespace)
}
