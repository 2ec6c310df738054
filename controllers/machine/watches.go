// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util"
	"sigs.k8s.io/cluster-api/util/conditions"
	capicontrollerutil "sigs.k8s.io/cluster-api/util/controller"
	"sigs.k8s.io/cluster-api/util/predicates"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/feed"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/index"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// SetupWithManager adds the controller to the manager. Machines are looked at when they change,
// when their Machine, Cluster or OCIMeshCluster does, when a poll of their account shows something
// new of their instance, when they join their tailnet and, while they are not provisioned or on
// their way out, when an account or a tailnet changes.
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
	return capicontrollerutil.NewControllerManagedBy(mgr, log).
		For(&infrav1.OCIMeshMachine{}).
		WithOptions(options).
		WithEventFilter(predicates.ResourceHasFilterLabel(mgr.GetScheme(), log, r.WatchFilterValue)).
		Watches(&clusterv1.Machine{}, handler.EnqueueRequestsFromMapFunc(
			util.MachineToInfrastructureMapFunc(infrav1.GroupVersion.WithKind("OCIMeshMachine")))).
		Watches(&clusterv1.Cluster{}, handler.EnqueueRequestsFromMapFunc(ofCluster),
			predicates.ClusterPausedTransitionsOrInfrastructureProvisioned(mgr.GetScheme(), log)).
		Watches(&infrav1.OCIMeshCluster{}, handler.EnqueueRequestsFromMapFunc(r.unsettledOfCluster)).
		Watches(&infrav1.OCIAccount{}, handler.EnqueueRequestsFromMapFunc(r.unsettledOfAccount),
			accountMatters()).
		Watches(&infrav1.Tailnet{}, handler.EnqueueRequestsFromMapFunc(r.unsettled)).
		WatchesRawSource(source.Channel(r.Pollers.Subscribe(),
			handler.TypedEnqueueRequestsFromMapFunc[feed.Change, reconcile.Request](r.changed))).
		WatchesRawSource(joined).
		Complete(ctx, r)
}

// changed are the machines that a change of the accounts' instances concerns. An instance that no
// machine knows of may be one whose launch was not answered: its tag names the machine.
func (r *Reconciler) changed(ctx context.Context, change feed.Change) []reconcile.Request {
	machines := &infrav1.OCIMeshMachineList{}
	field := client.MatchingFields{index.MachineByAccount: change.Account}
	switch {
	case change.InstanceID != "":
		field = client.MatchingFields{index.MachineByInstance: change.InstanceID}
	case !change.All:
		return named(change.Machine)
	}
	if err := r.Client.List(ctx, machines, field, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Cannot list the machines of an instance or account", "Account", change.Account)
		return nil
	}
	if len(machines.Items) == 0 {
		return named(change.Machine)
	}
	var requests []reconcile.Request
	for i := range machines.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&machines.Items[i])})
	}
	return requests
}

func named(machine string) []reconcile.Request {
	namespace, name, ok := strings.Cut(machine, "/")
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: namespace, Name: name}}}
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
	return r.unsettledAt(ctx, index.Anywhere, client.InNamespace(object.GetNamespace()), client.MatchingLabels{clusterv1.ClusterNameLabel: cluster})
}

// accountMatters leaves out updates that make no place better than it was: shortages are recorded
// and usage grows often.
func accountMatters() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*infrav1.OCIAccount)
		after, isAccount := e.ObjectNew.(*infrav1.OCIAccount)
		if !ok || !isAccount {
			return false
		}
		_, ended := capacity.Difference(before.Status.Shortages, after.Status.Shortages)
		return before.Generation != after.Generation || !maps.Equal(before.Labels, after.Labels) ||
			conditions.IsTrue(before, infrav1.ReadyCondition) != conditions.IsTrue(after, infrav1.ReadyCondition) ||
			conditions.IsFalse(before, infrav1.ReadyCondition) != conditions.IsFalse(after, infrav1.ReadyCondition) ||
			!reflect.DeepEqual(before.Status.AvailabilityDomains, after.Status.AvailabilityDomains) ||
			!reflect.DeepEqual(before.Status.Limits, after.Status.Limits) ||
			len(ended) > 0 || freed(before.Status, after.Status)
	}}
}

// freed tells whether machines use less than they did.
func freed(before, after infrav1.OCIAccountStatus) bool {
	less := func(a, b *int32) bool { return ptr.Deref(b, 0) < ptr.Deref(a, 0) }
	if less(before.Machines, after.Machines) || less(before.Volumes.UsedGB, after.Volumes.UsedGB) {
		return true
	}
	for _, old := range before.Usage {
		at := slices.IndexFunc(after.Usage, func(now infrav1.FamilyUsage) bool { return now.Family == old.Family })
		if at < 0 || less(old.Used.OCPUs, after.Usage[at].Used.OCPUs) || less(old.Others.OCPUs, after.Usage[at].Others.OCPUs) {
			return true
		}
	}
	return false
}

// unsettledOfAccount are the machines that wait for an account: those in it, and those that are
// nowhere.
func (r *Reconciler) unsettledOfAccount(ctx context.Context, object client.Object) []reconcile.Request {
	return append(r.unsettledAt(ctx, object.GetName()), r.unsettledAt(ctx, index.Nowhere)...)
}

// unsettled are all machines that are not at rest.
func (r *Reconciler) unsettled(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.unsettledAt(ctx, index.Anywhere)
}

// unsettledAt are the machines that are not at rest by where they are placed.
func (r *Reconciler) unsettledAt(ctx context.Context, place string, options ...client.ListOption) []reconcile.Request {
	machines := &infrav1.OCIMeshMachineList{}
	// Only names are taken of it.
	if err := r.Client.List(ctx, machines, append(options, client.MatchingFields{index.UnsettledMachine: place}, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Cannot list the machines to reconcile")
		return nil
	}
	var requests []reconcile.Request
	for i := range machines.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&machines.Items[i])})
	}
	return requests
}
