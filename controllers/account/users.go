// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/feed"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/index"
)

// findUsers finds the clusters that name the account and may use it, those that have a network in
// it from when they might, and the machines in it. Others have no effect here.
func (r *Reconciler) findUsers(ctx context.Context, s *scope) error {
	reader := r.readerFor(s)
	clusters := &infrav1.OCIMeshClusterList{}
	if err := reader.List(ctx, clusters); err != nil {
		return fmt.Errorf("listing OCIMeshClusters: %w", err)
	}
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
			s.users = append(s.users, infrav1.ObjectUser{Namespace: cluster.Namespace, Name: cluster.Name})
		}
	}
	slices.SortFunc(s.users, func(a, b infrav1.ObjectUser) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	if s.account.DeletionTimestamp.IsZero() {
		return nil
	}
	machines := &infrav1.OCIMeshMachineList{}
	if err := reader.List(ctx, machines, client.MatchingFields{index.MachineByAccount: s.account.Name}); err != nil {
		return fmt.Errorf("listing OCIMeshMachines: %w", err)
	}
	s.machines = len(machines.Items)
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

func clusterToAccounts(_ context.Context, object client.Object) []reconcile.Request {
	cluster, ok := object.(*infrav1.OCIMeshCluster)
	if !ok {
		return nil
	}
	var requests []reconcile.Request
	for _, name := range accountsOf(cluster) {
		requests = append(requests, reconcile.Request{NamespacedName: types.NamespacedName{Name: name}})
	}
	return requests
}

// clusterMatters leaves out updates that do not change which accounts a cluster uses: an account
// asks OCI whenever it is looked at, and a cluster's status changes often.
func clusterMatters() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*infrav1.OCIMeshCluster)
		after, isCluster := e.ObjectNew.(*infrav1.OCIMeshCluster)
		return ok && isCluster && !slices.Equal(accountsOf(before), accountsOf(after))
	}}
}

// changed is the account that answers again, or no longer does; what changes in it is for others.
func changed(_ context.Context, change feed.Change) []reconcile.Request {
	if change.InstanceID != "" || change.Machine != "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: change.Account}}}
}

func machineToAccount(_ context.Context, object client.Object) []reconcile.Request {
	machine, ok := object.(*infrav1.OCIMeshMachine)
	if !ok || machine.Status.Placement.Account == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: machine.Status.Placement.Account}}}
}

// machineMatters lets only deletions through: machines can hold up the deletion of an account, and
// nothing else of them concerns it.
func machineMatters() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc:  func(event.CreateEvent) bool { return false },
		UpdateFunc:  func(event.UpdateEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

func (r *Reconciler) secretToAccounts(ctx context.Context, secret client.Object) []reconcile.Request {
	accounts := &infrav1.OCIAccountList{}
	if err := r.Client.List(ctx, accounts, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range accounts.Items {
		ref := accounts.Items[i].Spec.Credentials.SecretRef
		if ref.Namespace == secret.GetNamespace() && ref.Name == secret.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&accounts.Items[i])})
		}
	}
	return requests
}
