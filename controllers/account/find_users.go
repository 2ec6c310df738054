// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/index"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/pools"
)

// findUsers finds the clusters that name the account and may use it, those that have a network in
// it from when they might, and the machines and machine pools in it. Others have no effect here.
func (r *Reconciler) findUsers(ctx context.Context, s *scope) error {
	reader := r.readerFor(s)
	clusters := &infrav1.OCIMeshClusterList{}
	if err := reader.List(ctx, clusters); err != nil {
		return fmt.Errorf("listing OCIMeshClusters: %w", err)
	}
	users := []infrav1.ObjectUser{}
	for i := range clusters.Items {
		cluster := &clusters.Items[i]
		if !slices.Contains(accountsOf(cluster), s.account.Name) {
			continue
		}
		uses := hasNetworkIn(cluster, s.account.Name)
		if !uses {
			var err error
			if uses, err = r.Clients.MayUseAccount(ctx, s.account, cluster.Namespace); err != nil {
				return err
			}
		}
		if uses {
			users = append(users, infrav1.ObjectUser{Namespace: cluster.Namespace, Name: cluster.Name})
		}
	}
	slices.SortFunc(users, func(a, b infrav1.ObjectUser) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	s.users = users
	if s.account.DeletionTimestamp.IsZero() {
		return nil
	}
	machines := &infrav1.OCIMeshMachineList{}
	if err := reader.List(ctx, machines, client.MatchingFields{index.MachineByAccount: s.account.Name}); err != nil {
		return fmt.Errorf("listing OCIMeshMachines: %w", err)
	}
	s.machines = len(machines.Items)
	return r.findPools(ctx, s)
}

// findPools finds the machine pools and their instances' objects that have something in the
// account, or may make it. A pool of size 0 has its instance pool there.
func (r *Reconciler) findPools(ctx context.Context, s *scope) error {
	all, err := pools.Of(ctx, r.uncached(), s.account.Name)
	if err != nil {
		return err
	}
	s.pooled = nil
	for _, user := range all {
		uses := user.Recorded
		if !uses {
			if uses, err = r.Clients.MayUseAccount(ctx, s.account, user.Namespace); err != nil {
				return err
			}
		}
		if uses {
			s.pooled = append(s.pooled, user)
		}
	}
	return nil
}

// hasNetworkIn tells whether the cluster's controller has seen a network of the cluster in the
// account: it writes one down only if the cluster may use the account, or if the network carries
// the cluster's tags.
func hasNetworkIn(cluster *infrav1.OCIMeshCluster, account string) bool {
	return slices.ContainsFunc(cluster.Status.Accounts, func(a infrav1.ClusterAccountStatus) bool {
		return a.Name == account && a.VCNID != ""
	})
}

// readerFor asks the API server itself when an account is about to go: a cache may lag, and what it
// does not show would lose its credentials. It does so too if the cache holds one namespace only:
// managers of different namespaces would take turns in writing different users, each write waking
// the other.
func (r *Reconciler) readerFor(s *scope) client.Reader {
	if r.Reader == nil || (s.account.DeletionTimestamp.IsZero() && r.Options.Namespace == "") {
		return r.Client
	}
	return r.Reader
}

// accountsOf names the accounts that the cluster uses: those of its spec, and those that left it
// but not yet its networks.
func accountsOf(cluster *infrav1.OCIMeshCluster) []string {
	var names []string
	for _, account := range cluster.Spec.Accounts {
		names = append(names, account.Name)
	}
	for _, account := range cluster.Status.Accounts {
		names = append(names, account.Name)
	}
	if recorded := cluster.Annotations[infrav1.NetworkAccountsAnnotation]; recorded != "" {
		names = append(names, strings.Split(recorded, ",")...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
