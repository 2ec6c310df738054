// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinepool

import (
	"context"
	"strings"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util"
	capicontrollerutil "sigs.k8s.io/cluster-api/util/controller"
	"sigs.k8s.io/cluster-api/util/predicates"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
)

// SetupWithManager adds the controller to the manager. A pool is looked at when its MachinePool,
// one of its machines, its cluster, its account or one of its instances changes. There are few
// pools, so that what concerns any of them wakes all.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr manager.Manager, options controller.Options) error {
	log := ctrl.LoggerFrom(ctx).WithValues("controller", "ocimeshmachinepool")
	ofCluster, err := util.ClusterToTypedObjectsMapper(mgr.GetClient(), &expv1.OCIMeshMachinePoolList{}, mgr.GetScheme())
	if err != nil {
		return err
	}
	return capicontrollerutil.NewControllerManagedBy(mgr, log).
		For(&expv1.OCIMeshMachinePool{}).
		WithOptions(options).
		WithEventFilter(predicates.ResourceHasFilterLabel(mgr.GetScheme(), log, r.WatchFilterValue)).
		Watches(&clusterv1.MachinePool{}, handler.EnqueueRequestsFromMapFunc(ofMachinePool)).
		Watches(&expv1.OCIMeshMachinePoolMachine{}, handler.EnqueueRequestForOwner(mgr.GetScheme(), mgr.GetRESTMapper(), &expv1.OCIMeshMachinePool{})).
		Watches(&clusterv1.Cluster{}, handler.EnqueueRequestsFromMapFunc(ofCluster),
			predicates.ClusterPausedTransitionsOrInfrastructureProvisioned(mgr.GetScheme(), log)).
		Watches(&infrav1.OCIMeshCluster{}, handler.EnqueueRequestsFromMapFunc(r.all)).
		Watches(&infrav1.OCIAccount{}, handler.EnqueueRequestsFromMapFunc(r.all)).
		Watches(&infrav1.Tailnet{}, handler.EnqueueRequestsFromMapFunc(r.all)).
		WatchesRawSource(source.Channel(r.Pollers.Subscribe(),
			handler.TypedEnqueueRequestsFromMapFunc[instancecache.Change, reconcile.Request](changed))).
		Complete(ctx, r)
}

// ofMachinePool is the pool that a MachinePool names.
func ofMachinePool(_ context.Context, object client.Object) []reconcile.Request {
	pool, ok := object.(*clusterv1.MachinePool)
	if !ok || pool.Spec.Template.Spec.InfrastructureRef.Kind != "OCIMeshMachinePool" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: pool.Namespace, Name: pool.Spec.Template.Spec.InfrastructureRef.Name}}}
}

// changed is the pool that an instance is tagged with. The tag is for people, so that a wrong one
// only wakes the wrong pool; each looks at its instances from time to time in any case.
func changed(_ context.Context, change instancecache.Change) []reconcile.Request {
	namespace, name, ok := strings.Cut(change.MachinePool, "/")
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: namespace, Name: name}}}
}

func (r *Reconciler) all(ctx context.Context, _ client.Object) []reconcile.Request {
	pools := &expv1.OCIMeshMachinePoolList{}
	if err := r.Client.List(ctx, pools); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Cannot list the machine pools to reconcile")
		return nil
	}
	var requests []reconcile.Request
	for i := range pools.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&pools.Items[i])})
	}
	return requests
}
