// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	capicontrollerutil "sigs.k8s.io/cluster-api/util/controller"
	"sigs.k8s.io/cluster-api/util/predicates"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
)

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager, options Options) error {
	r.Options = options.withDefaults()
	r.Recorder = mgr.GetEventRecorder("ociaccount-controller")
	log := ctrl.LoggerFrom(ctx).WithValues("controller", "ociaccount")
	b := capicontrollerutil.NewControllerManagedBy(mgr, log)
	if r.Pollers != nil {
		b = b.WatchesRawSource(source.Channel(r.Pollers.Subscribe(),
			handler.TypedEnqueueRequestsFromMapFunc[instancecache.Change, reconcile.Request](changeToAccount)))
	}
	return b.
		For(&infrav1.OCIAccount{}, builder.WithPredicates(
			predicates.ResourceHasFilterLabel(mgr.GetScheme(), log, r.Options.WatchFilterValue))).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.secretToAccounts)).
		Watches(&infrav1.OCIMeshCluster{}, handler.EnqueueRequestsFromMapFunc(clusterToAccounts), accountsChanged()).
		Watches(&infrav1.OCIMeshMachine{}, handler.EnqueueRequestsFromMapFunc(machineToAccount), onlyDeletions()).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Options.Concurrency}).
		Complete(ctx, r)
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

// accountsChanged leaves out updates that do not change which accounts a cluster uses: an account
// asks OCI whenever it is looked at, and a cluster's status changes often.
func accountsChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*infrav1.OCIMeshCluster)
		after, isCluster := e.ObjectNew.(*infrav1.OCIMeshCluster)
		return ok && isCluster && !slices.Equal(accountsOf(before), accountsOf(after))
	}}
}

// changeToAccount is the account that answers again, or no longer does; what changes in it is for
// others.
func changeToAccount(_ context.Context, change instancecache.Change) []reconcile.Request {
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

// onlyDeletions lets only deletions through: machines can hold up the deletion of an account, and
// nothing else of them concerns it.
func onlyDeletions() predicate.Predicate {
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
