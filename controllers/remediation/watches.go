// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package remediation

import (
	"context"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
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

// SetupWithManager adds the controller to the manager. A request is looked at when its Machine
// changes, and when the Machine's OCIMeshMachine does, whose status follows the polls.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr manager.Manager, options controller.Options) error {
	log := ctrl.LoggerFrom(ctx).WithValues("controller", "ocimeshremediation")
	return capicontrollerutil.NewControllerManagedBy(mgr, log).
		For(&infrav1.OCIMeshRemediation{}).
		WithOptions(options).
		WithEventFilter(predicates.ResourceHasFilterLabel(mgr.GetScheme(), log, r.WatchFilterValue)).
		Watches(&clusterv1.Machine{}, handler.EnqueueRequestsFromMapFunc(r.ofMachine)).
		Watches(&infrav1.OCIMeshMachine{}, handler.EnqueueRequestsFromMapFunc(r.ofInfrastructure)).
		Complete(ctx, r)
}

// ofMachine is the Machine's request, if there is one: it has the Machine's name.
func (r *Reconciler) ofMachine(ctx context.Context, machine client.Object) []reconcile.Request {
	return r.named(ctx, client.ObjectKeyFromObject(machine))
}

// ofInfrastructure is the request of the Machine that owns the OCIMeshMachine.
func (r *Reconciler) ofInfrastructure(ctx context.Context, infra client.Object) []reconcile.Request {
	for _, owner := range infra.GetOwnerReferences() {
		if owner.Kind == "Machine" {
			return r.named(ctx, client.ObjectKey{Namespace: infra.GetNamespace(), Name: owner.Name})
		}
	}
	return nil
}

// named leaves out what there is no request of: nearly all machines.
func (r *Reconciler) named(ctx context.Context, key client.ObjectKey) []reconcile.Request {
	if err := r.Client.Get(ctx, key, &infrav1.OCIMeshRemediation{}); err != nil {
		return nil
	}
	return []reconcile.Request{{NamespacedName: key}}
}
