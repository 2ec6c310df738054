// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"

	corev1 "k8s.io/api/core/v1"
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
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/vip"
)

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager, options Options) error {
	r.Options = options.withDefaults()
	r.Recorder = mgr.GetEventRecorder("tailnet-controller")
	log := ctrl.LoggerFrom(ctx).WithValues("controller", "tailnet")
	c := capicontrollerutil.NewControllerManagedBy(mgr, log).
		For(&infrav1.Tailnet{}, builder.WithPredicates(
			predicates.ResourceHasFilterLabel(mgr.GetScheme(), log, r.Options.WatchFilterValue))).
		// A Tailnet that comes or goes may have shared its vipRange with others.
		Watches(&infrav1.Tailnet{}, handler.EnqueueRequestsFromMapFunc(r.tailnetToContenders), comesOrGoes).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.secretToTailnets)).
		// Not for each change of a cluster's status: a tailnet lists its devices whenever it is
		// looked at.
		Watches(&infrav1.OCIMeshCluster{}, handler.EnqueueRequestsFromMapFunc(r.clusterToTailnet), predicate.GenerationChangedPredicate{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Options.Concurrency})
	// Machines notice sooner than a tailnet at rest that the coordination server is away.
	nodes, err := tailnetnode.Kinds(mgr.GetScheme(), r.OtherDevices)
	if err != nil {
		return err
	}
	for _, kind := range nodes {
		c = c.Watches(kind, handler.EnqueueRequestsFromMapFunc(nodeToTailnet), losesServer)
	}
	return c.Complete(ctx, r)
}

// comesOrGoes lets creations and deletions through.
var comesOrGoes = predicate.Funcs{
	UpdateFunc:  func(event.UpdateEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// losesServer lets a machine of any kind through for which the coordination server does not answer
// any more.
var losesServer = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return false },
	UpdateFunc:  func(e event.UpdateEvent) bool { return !missesServer(e.ObjectOld) && missesServer(e.ObjectNew) },
	DeleteFunc:  func(event.DeleteEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
}

func missesServer(object client.Object) bool {
	node, ok := object.(conditions.Getter)
	return ok && conditions.GetReason(node, infrav1.TailnetReadyCondition) == infrav1.UnavailableReason
}

// nodeToTailnet is the tailnet that a machine has joined.
func nodeToTailnet(_ context.Context, object client.Object) []reconcile.Request {
	node, ok := object.(tailnetnode.Object)
	if !ok || node.GetTailnetDevice().Name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKey{Name: node.GetTailnetDevice().Name}}}
}

// tailnetToContenders are the Tailnets that share addresses with this one.
func (r *Reconciler) tailnetToContenders(ctx context.Context, object client.Object) []reconcile.Request {
	tn, ok := object.(*infrav1.Tailnet)
	all := &infrav1.TailnetList{}
	if !ok || r.Client.List(ctx, all) != nil {
		return nil
	}
	var requests []reconcile.Request
	for _, other := range vip.Contenders(tn, all.Items) {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&other)})
	}
	return requests
}

// clusterToTailnet is the tailnet of a cluster with permission to use it. A pass over a tailnet
// lists its devices: no cluster without permission causes one.
func (r *Reconciler) clusterToTailnet(ctx context.Context, object client.Object) []reconcile.Request {
	cluster, ok := object.(*infrav1.OCIMeshCluster)
	if !ok {
		return nil
	}
	tn := &infrav1.Tailnet{}
	if err := r.Client.Get(ctx, client.ObjectKey{Name: cluster.Spec.TailnetRef.Name}, tn); err != nil {
		return nil
	}
	if uses, err := r.uses(ctx, tn, cluster); err == nil && !uses {
		return nil
	}
	return []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(tn)}}
}

func (r *Reconciler) secretToTailnets(ctx context.Context, secret client.Object) []reconcile.Request {
	tailnets := &infrav1.TailnetList{}
	if err := r.Client.List(ctx, tailnets); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range tailnets.Items {
		ref := tailnets.Items[i].Spec.Credentials.SecretRef
		if ref.Namespace == secret.GetNamespace() && ref.Name == secret.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&tailnets.Items[i])})
		}
	}
	return requests
}
