// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util"
	capicontrollerutil "sigs.k8s.io/cluster-api/util/controller"
	"sigs.k8s.io/cluster-api/util/predicates"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// SetupWithManager adds the controller to the manager. Machines are reconciled when they change,
// when their Machine, Cluster or OCIMeshCluster does, when a poll of their account shows news of
// their instance, when they join their tailnet and, while they are not provisioned or on their way
// out, when an account or a tailnet changes.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr manager.Manager, options controller.Options) error {
	log := ctrl.LoggerFrom(ctx).WithValues("controller", "ocimeshmachine")
	if err := tailnetnode.AddTo(ctx, mgr.GetFieldIndexer(), &infrav1.OCIMeshMachine{}); err != nil {
		return err
	}
	joined, err := r.joins.Source(mgr, r.Access, r.Options.withDefaults().Intervals.Progress)
	if err != nil {
		return err
	}
	ofCluster, err := util.ClusterToTypedObjectsMapper(mgr.GetClient(), &infrav1.OCIMeshMachineList{}, mgr.GetScheme())
	if err != nil {
		return err
	}
	wake := waker{r.Client}
	return capicontrollerutil.NewControllerManagedBy(mgr, log).
		For(&infrav1.OCIMeshMachine{}).
		WithOptions(options).
		WithEventFilter(predicates.ResourceHasFilterLabel(mgr.GetScheme(), log, r.WatchFilterValue)).
		Watches(&clusterv1.Machine{}, handler.EnqueueRequestsFromMapFunc(
			util.MachineToInfrastructureMapFunc(infrav1.GroupVersion.WithKind("OCIMeshMachine")))).
		Watches(&clusterv1.Cluster{}, handler.EnqueueRequestsFromMapFunc(ofCluster),
			predicates.ClusterPausedTransitionsOrInfrastructureProvisioned(mgr.GetScheme(), log)).
		Watches(&infrav1.OCIMeshCluster{}, handler.EnqueueRequestsFromMapFunc(wake.ofCluster)).
		Watches(&infrav1.OCIAccount{}, handler.EnqueueRequestsFromMapFunc(wake.ofAccount),
			accountMatters()).
		Watches(&infrav1.Tailnet{}, handler.EnqueueRequestsFromMapFunc(wake.unsettled)).
		WatchesRawSource(source.Channel(r.Pollers.Subscribe(),
			handler.TypedEnqueueRequestsFromMapFunc[instancecache.Change, reconcile.Request](wake.ofChange))).
		WatchesRawSource(joined).
		Complete(ctx, r)
}
