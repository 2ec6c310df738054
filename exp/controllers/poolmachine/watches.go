// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package poolmachine

import (
	"context"

	"k8s.io/klog/v2"
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
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// DeviceKinds are lists of this package's kinds with devices in tailnets.
func DeviceKinds() []client.ObjectList {
	return []client.ObjectList{&expv1.OCIMeshMachinePoolMachineList{}}
}

// providerIDIndex finds the machine of an instance.
const providerIDIndex = "spec.providerID"

// SetupWithManager adds the controller to the manager. A machine is looked at when its Machine, its
// cluster or its instance changes.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr manager.Manager, options controller.Options) error {
	log := ctrl.LoggerFrom(ctx).WithValues("controller", "ocimeshmachinepoolmachine")
	err := mgr.GetFieldIndexer().IndexField(ctx, &expv1.OCIMeshMachinePoolMachine{}, providerIDIndex, func(object client.Object) []string {
		if machine, ok := object.(*expv1.OCIMeshMachinePoolMachine); ok {
			return []string{machine.Spec.ProviderID}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := tailnetnode.AddTo(ctx, mgr.GetFieldIndexer(), &expv1.OCIMeshMachinePoolMachine{}); err != nil {
		return err
	}
	joined, err := r.joins.Source(mgr, r.Access, r.Options.withDefaults().Intervals.Progress)
	if err != nil {
		return err
	}
	ofCluster, err := util.ClusterToTypedObjectsMapper(mgr.GetClient(), &expv1.OCIMeshMachinePoolMachineList{}, mgr.GetScheme())
	if err != nil {
		return err
	}
	return capicontrollerutil.NewControllerManagedBy(mgr, log).
		For(&expv1.OCIMeshMachinePoolMachine{}).
		WithOptions(options).
		WithEventFilter(predicates.ResourceHasFilterLabel(mgr.GetScheme(), log, r.WatchFilterValue)).
		Watches(&clusterv1.Machine{}, handler.EnqueueRequestsFromMapFunc(
			util.MachineToInfrastructureMapFunc(expv1.GroupVersion.WithKind("OCIMeshMachinePoolMachine")))).
		Watches(&clusterv1.Cluster{}, handler.EnqueueRequestsFromMapFunc(ofCluster),
			predicates.ClusterPausedTransitionsOrInfrastructureProvisioned(mgr.GetScheme(), log)).
		WatchesRawSource(source.Channel(r.Pollers.Subscribe(),
			handler.TypedEnqueueRequestsFromMapFunc[instancecache.Change, reconcile.Request](r.changed))).
		WatchesRawSource(joined).
		Complete(ctx, r)
}

// changed is the machine of an instance.
func (r *Reconciler) changed(ctx context.Context, change instancecache.Change) []reconcile.Request {
	if change.InstanceID == "" {
		return nil
	}
	machines := &expv1.OCIMeshMachinePoolMachineList{}
	if err := r.Client.List(ctx, machines, client.MatchingFields{providerIDIndex: cloud.ProviderID(change.InstanceID)}); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Cannot find the machine of an instance", "OCIAccount", klog.KRef("", change.Account))
		return nil
	}
	var requests []reconcile.Request
	for i := range machines.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&machines.Items[i])})
	}
	return requests
}
