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
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// SetupWithManager adds the controller to the manager. Machines are looked at when they change, when their Machine, Cluster or
// OCIMeshCluster does, and, while they are not provisioned or on their way out, when an account or a tailnet does.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr manager.Manager, options controller.Options) error {
	log := ctrl.LoggerFrom(ctx).WithValues("controller", "ocimeshmachine")
	ofCluster, err := util.ClusterToTypedObjectsMapper(mgr.GetClient(), &infrav1.OCIMeshMachineList{}, mgr.GetScheme())
	if err != nil {
		return err
	}
	return capicontrollerutil.NewControllerManagedBy(mgr, log).
		For(&infrav1.OCIMeshMachine{}).
		WithOptions(options).
		WithEventFilter(predicates.ResourceHasFilterLabel(mgr.GetScheme(), log, r.WatchFilterValue)).
		Watches(&clusterv1.Machine{}, handler.EnqueueRequestsFromMapFunc(
			util.MachineToInfrastructureMapFunc(infrav1.GroupVersion.WithKind("OCIMeshMachine")))).
		Watches(&clusterv1.Cluster{}, handler.EnqueueRequestsFromMapFunc(ofCluster),
			predicates.ClusterPausedTransitionsOrInfrastructureProvisioned(mgr.GetScheme(), log)).
		Watches(&infrav1.OCIMeshCluster{}, handler.EnqueueRequestsFromMapFunc(r.unsettledOfCluster)).
		Watches(&infrav1.OCIAccount{}, handler.EnqueueRequestsFromMapFunc(r.unsettledOfAccount)).
		Watches(&infrav1.Tailnet{}, handler.EnqueueRequestsFromMapFunc(r.unsettled)).
		Complete(ctx, r)
}

// unsettledOfCluster are the machines of an OCIMeshCluster that are not at rest.
func (r *Reconciler) unsettledOfCluster(ctx context.Context, object client.Object) []reconcile.Request {
	cluster := object.GetLabels()[clusterv1.ClusterNameLabel]
	for _, owner := range object.GetOwnerReferences() {
		if owner.Kind == "Cluster" {
			cluster = owner.Name
		}
	}
	if cluster == "" {
		return nil
	}
	return r.requests(ctx, nil, client.InNamespace(object.GetNamespace()), client.MatchingLabels{clusterv1.ClusterNameLabel: cluster})
}

// unsettledOfAccount are the machines that wait for an account: those in it, and those that are nowhere.
func (r *Reconciler) unsettledOfAccount(ctx context.Context, object client.Object) []reconcile.Request {
	return r.requests(ctx, func(machine *infrav1.OCIMeshMachine) bool {
		account := machine.Status.Placement.Account
		return account == "" || account == object.GetName()
	})
}

// unsettled are all machines that are not at rest.
func (r *Reconciler) unsettled(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.requests(ctx, nil)
}

func (r *Reconciler) requests(
	ctx context.Context, keep func(*infrav1.OCIMeshMachine) bool, options ...client.ListOption,
) []reconcile.Request {
	machines := &infrav1.OCIMeshMachineList{}
	if err := r.Client.List(ctx, machines, options...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Cannot list the machines to reconcile")
		return nil
	}
	var requests []reconcile.Request
	for i := range machines.Items {
		machine := &machines.Items[i]
		provisioned := machine.Status.Initialization.Provisioned
		settled := provisioned != nil && *provisioned && machine.DeletionTimestamp.IsZero()
		if !settled && (keep == nil || keep(machine)) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(machine)})
		}
	}
	return requests
}
