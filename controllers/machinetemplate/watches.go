// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machinetemplate

import (
	"context"

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

// SetupWithManager adds the controller to the manager. Templates whose capacity is not known are
// looked at when an account changes.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr manager.Manager, options controller.Options) error {
	log := ctrl.LoggerFrom(ctx).WithValues("controller", "ocimeshmachinetemplate")
	return capicontrollerutil.NewControllerManagedBy(mgr, log).
		For(&infrav1.OCIMeshMachineTemplate{}).
		WithOptions(options).
		WithEventFilter(predicates.ResourceHasFilterLabel(mgr.GetScheme(), log, r.WatchFilterValue)).
		Watches(&infrav1.OCIAccount{}, handler.EnqueueRequestsFromMapFunc(r.unknown)).
		Complete(ctx, r)
}

// unknown are the templates whose capacity is not known.
func (r *Reconciler) unknown(ctx context.Context, _ client.Object) []reconcile.Request {
	templates := &infrav1.OCIMeshMachineTemplateList{}
	if err := r.Client.List(ctx, templates); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Cannot list the templates to reconcile")
		return nil
	}
	var requests []reconcile.Request
	for i := range templates.Items {
		if len(templates.Items[i].Status.Capacity) == 0 {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&templates.Items[i])})
		}
	}
	return requests
}
