// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/conditions"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/instancecache"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/index"
)

// waker finds the machines concerned by a change elsewhere.
type waker struct{ client.Reader }

// ofChange are the machines concerned by a change of the accounts' instances. An instance without a
// machine may come from a launch without an answer: its tag names the machine.
func (w waker) ofChange(ctx context.Context, change instancecache.Change) []reconcile.Request {
	machines := &infrav1.OCIMeshMachineList{}
	field := client.MatchingFields{index.MachineByAccount: change.Account}
	switch {
	case change.InstanceID != "":
		field = client.MatchingFields{index.MachineByInstance: change.InstanceID}
	case !change.All:
		return named(change.Machine)
	}
	if err := w.List(ctx, machines, field, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Cannot list the machines of an instance or account", "OCIAccount", klog.KRef("", change.Account))
		return nil
	}
	if len(machines.Items) == 0 {
		return named(change.Machine)
	}
	return requestsFor(machines)
}

func named(machine string) []reconcile.Request {
	namespace, name, ok := strings.Cut(machine, "/")
	if !ok {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: namespace, Name: name}}}
}

// ofCluster are an OCIMeshCluster's machines not at rest.
func (w waker) ofCluster(ctx context.Context, object client.Object) []reconcile.Request {
	cluster := object.GetLabels()[clusterv1.ClusterNameLabel]
	for _, owner := range object.GetOwnerReferences() {
		if owner.Kind == "Cluster" {
			cluster = owner.Name
		}
	}
	if cluster == "" {
		return nil
	}
	return w.unsettledAt(ctx, index.Anywhere, client.InNamespace(object.GetNamespace()), client.MatchingLabels{clusterv1.ClusterNameLabel: cluster})
}

// accountMatters leaves out updates without a gain for any place: shortages are recorded and usage
// grows often.
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

// ofAccount are the machines waiting for an account: those in it, and those without a placement.
func (w waker) ofAccount(ctx context.Context, object client.Object) []reconcile.Request {
	return append(w.unsettledAt(ctx, object.GetName()), w.unsettledAt(ctx, index.Nowhere)...)
}

// unsettled are the machines not at rest.
func (w waker) unsettled(ctx context.Context, _ client.Object) []reconcile.Request {
	return w.unsettledAt(ctx, index.Anywhere)
}

// unsettledAt are the machines not at rest by their placement.
func (w waker) unsettledAt(ctx context.Context, place string, options ...client.ListOption) []reconcile.Request {
	machines := &infrav1.OCIMeshMachineList{}
	// Only names are taken of it.
	if err := w.List(ctx, machines, append(options, client.MatchingFields{index.UnsettledMachine: place}, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Cannot list the machines to reconcile")
		return nil
	}
	return requestsFor(machines)
}

func requestsFor(machines *infrav1.OCIMeshMachineList) []reconcile.Request {
	var requests []reconcile.Request
	for i := range machines.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&machines.Items[i])})
	}
	return requests
}
