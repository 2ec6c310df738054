// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util"
	"sigs.k8s.io/cluster-api/util/conditions"
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

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager, options Options) error {
	r.Options = options.withDefaults()
	r.Recorder = mgr.GetEventRecorder("ocimeshcluster-controller")
	log := ctrl.LoggerFrom(ctx).WithValues("controller", "ocimeshcluster")
	scheme, wake := mgr.GetScheme(), waker{r.Client}
	return capicontrollerutil.NewControllerManagedBy(mgr, log).
		For(&infrav1.OCIMeshCluster{}, builder.WithPredicates(
			predicates.ResourceHasFilterLabel(scheme, log, r.Options.WatchFilterValue),
			predicates.ResourceIsNotExternallyManaged(scheme, log))).
		Watches(&clusterv1.Cluster{}, handler.EnqueueRequestsFromMapFunc(util.ClusterToInfrastructureMapFunc(ctx,
			infrav1.GroupVersion.WithKind("OCIMeshCluster"), mgr.GetClient(), &infrav1.OCIMeshCluster{})),
			predicate.GenerationChangedPredicate{}).
		Watches(&infrav1.OCIAccount{}, handler.EnqueueRequestsFromMapFunc(wake.ofAccount)).
		Watches(&infrav1.Tailnet{}, handler.EnqueueRequestsFromMapFunc(wake.ofTailnet), tailnetMatters()).
		Watches(&infrav1.OCIMeshMachine{}, handler.EnqueueRequestsFromMapFunc(wake.ofMachine), machineMatters()).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Options.Concurrency}).
		Complete(ctx, r)
}

// waker finds the clusters concerned by a change elsewhere.
type waker struct{ client.Reader }

// ofAccount are the clusters with something in the account, or that are to have it.
func (w waker) ofAccount(ctx context.Context, account client.Object) []reconcile.Request {
	return w.matching(ctx, func(infra *infrav1.OCIMeshCluster) bool {
		return slices.Contains(recorded(infra), account.GetName()) ||
			slices.ContainsFunc(infra.Spec.Accounts, func(a infrav1.ClusterAccount) bool { return a.Name == account.GetName() })
	})
}

// ofTailnet are the clusters of a tailnet.
func (w waker) ofTailnet(ctx context.Context, tailnet client.Object) []reconcile.Request {
	return w.matching(ctx, func(infra *infrav1.OCIMeshCluster) bool {
		return infra.Spec.TailnetRef.Name == tailnet.GetName()
	})
}

// ofMachine is the cluster of a machine.
func (w waker) ofMachine(ctx context.Context, machine client.Object) []reconcile.Request {
	name := machine.GetLabels()[clusterv1.ClusterNameLabel]
	return w.matching(ctx, func(infra *infrav1.OCIMeshCluster) bool { return clusterName(infra) == name },
		client.InNamespace(machine.GetNamespace()))
}

func (w waker) matching(ctx context.Context, match func(*infrav1.OCIMeshCluster) bool, where ...client.ListOption) []reconcile.Request {
	list := &infrav1.OCIMeshClusterList{}
	if err := w.List(ctx, list, where...); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		if match(&list.Items[i]) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
		}
	}
	return requests
}

// tailnetMatters leaves out updates that only change the list of addresses: each cluster changes
// it, and none cares.
func tailnetMatters() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*infrav1.Tailnet)
		after, isTailnet := e.ObjectNew.(*infrav1.Tailnet)
		if !ok || !isTailnet {
			return false
		}
		return before.Generation != after.Generation || !equality.Semantic.DeepEqual(
			conditions.Get(before, infrav1.ReadyCondition), conditions.Get(after, infrav1.ReadyCondition))
	}}
}

// machineMatters lets deletions through, since the last machine of an account or of the cluster is
// what removals wait for, what tells that another management cluster is at work, and new signs that
// the network may not be as it should be.
func machineMatters() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*infrav1.OCIMeshMachine)
			after, isMachine := e.ObjectNew.(*infrav1.OCIMeshMachine)
			if !ok || !isMachine {
				return false
			}
			sign := signOf(after)
			return before.Status.Claim.State != "" && !equality.Semantic.DeepEqual(before.Status.Claim, after.Status.Claim) ||
				sign != "" && sign != signOf(before)
		},
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}
