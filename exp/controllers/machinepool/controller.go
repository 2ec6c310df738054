// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package machinepool makes OCIMeshMachinePools real: instance configurations with a rotating
// tailnet key, an instance pool, an object for each of its instances, and, in reverse, takes all of
// it away. The order of the phases is in normalPhases and deletePhases; each phase is one file.
package machinepool

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/cluster-api/util/paused"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachinepools,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachinepools/status,verbs=patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachinepoolmachines,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshclusters;ociaccounts;tailnets,verbs=get;list;watch
// +kubebuilder:rbac:groups=cluster.x-k8s.io,resources=clusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=cluster.x-k8s.io,resources=machinepools,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=cluster.x-k8s.io,resources=machines,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Options are the controller's times. Zero values stand for the defaults.
type Options struct {
	// Intervals are between two passes over a pool.
	Intervals phases.Intervals
	// KeyLife is for how long a tailnet key lets machines join; half of it after it was made
	// another one takes its place. 24 hours by default, which is also the longest.
	KeyLife time.Duration
	// Clock tells the time; time.Now by default.
	Clock func() time.Time
}

// Reconciler reconciles OCIMeshMachinePools. Set it up with SetupWithManager, or call Reconcile
// directly.
type Reconciler struct {
	// Client reads from the manager's cache, but Secrets, which it reads from the API server.
	Client client.Client
	// Access hands out clients of accounts and tailnets.
	Access *access.Clients
	// Pollers know the instances of all accounts.
	Pollers *poller.Pollers
	// Scheduler says how large pools may be, and finds their images.
	Scheduler *scheduling.Scheduler
	// Recorder records events.
	Recorder events.EventRecorder
	// WatchFilterValue is the value of the label cluster.x-k8s.io/watch-filter that objects must
	// have; empty means all.
	WatchFilterValue string
	// KeyNamespace is the manager's own, in which tailnet keys are stored (package joinkey).
	KeyNamespace string
	// Devices know which devices objects of all namespaces have recorded.
	Devices tailnetnode.Statuses
	// Claims tell what other management clusters hold; nil minds nobody's claims.
	Claims *claims.Claims
	// Options are the controller's times.
	Options Options

	// searched is since when the pools of deleted objects are looked for.
	searched cloud.Searches[types.UID]
}

// Reconcile brings one pool a step further.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (_ ctrl.Result, reterr error) {
	own := &expv1.OCIMeshMachinePool{}
	if ours, err := phases.Get(ctx, r.Client, request.NamespacedName, own, r.WatchFilterValue); err != nil || !ours {
		return ctrl.Result{}, err
	}
	s, err := r.newScope(ctx, own)
	if err != nil || s == nil {
		return ctrl.Result{}, err
	}
	if written, err := identity.Ensure(ctx, r.Client, own, expv1.OCIMeshMachinePoolFinalizer, nil); err != nil || written {
		return ctrl.Result{}, err
	}
	s.owner = poolid.Owner(own)
	s.identity, s.prefix = s.owner.Identity(), poolid.Prefix(s.owner)
	if isPaused, requeue, err := paused.EnsurePausedCondition(ctx, r.Client, s.cluster, own); err != nil || isPaused || requeue {
		return ctrl.Result{}, err
	}
	saver, err := phases.NewSaver(r.Client, r.Recorder, own, ownedConditions)
	if err != nil {
		return ctrl.Result{}, err
	}
	defer func() {
		updateStatus(s)
		reterr = saver.Save(ctx, s, reterr)
	}()
	if !own.DeletionTimestamp.IsZero() {
		err = phases.Run(ctx, s, r.deletePhases())
	} else {
		err = phases.Run(ctx, s, r.normalPhases())
	}
	return s.Result(), err
}

// normalPhases are the way up. Instances are looked at, and those that are too many go, as soon as
// it is known that the pool is in our care, and before all that others have to do first: they are
// there all the same.
func (r *Reconciler) normalPhases() []phases.Phase[*scope] {
	return []phases.Phase[*scope]{
		{Name: "connect", Condition: expv1.ConfigurationReadyCondition, Run: r.connect},
		{Name: "find pool", Condition: expv1.PoolReadyCondition, Run: r.findPool},
		{Name: "hold", Condition: expv1.PoolReadyCondition, Run: r.hold},
		{Name: "instances", Condition: expv1.InstancesReadyCondition, Run: r.instances},
		{Name: "shrink", Condition: expv1.PoolReadyCondition, Run: r.shrink},
		{Name: "prerequisites", Condition: expv1.ConfigurationReadyCondition, Run: r.prerequisites},
		{Name: "capacity", Condition: expv1.ConfigurationReadyCondition, Run: r.capacity},
		{Name: "find configuration", Condition: expv1.ConfigurationReadyCondition, Run: r.findConfiguration},
		{Name: "settle", Condition: expv1.PoolReadyCondition, Run: r.settle},
		{Name: "grant parts", Condition: expv1.ConfigurationReadyCondition, Run: r.grantParts},
		{Name: "tailnet key", Condition: infrav1.TailnetReadyCondition, Run: r.tailnetKey},
		{Name: "configuration", Condition: expv1.ConfigurationReadyCondition, Run: r.configuration},
		{Name: "pool", Condition: expv1.PoolReadyCondition, Run: r.pool},
		{Name: "take parts over", Condition: expv1.PoolReadyCondition, Run: r.takePartsOver},
		{Name: "scale", Condition: expv1.PoolReadyCondition, Run: r.scale},
		{Name: "provision", Condition: expv1.PoolReadyCondition, Run: r.provision},
		{Name: "clean up", Condition: expv1.ConfigurationReadyCondition, Run: r.cleanUp},
	}
}

// deletePhases are the way down.
func (r *Reconciler) deletePhases() []phases.Phase[*scope] {
	const deleting = infrav1.DeletingCondition
	return []phases.Phase[*scope]{
		{Name: "connect", Condition: deleting, Run: r.connectToDelete},
		{Name: "find pools", Condition: deleting, Run: r.findPools},
		{Name: "hold", Condition: deleting, Run: r.holdToDelete},
		{Name: "revoke keys", Condition: deleting, Run: r.revokeKeys},
		{Name: "record volumes", Condition: deleting, Run: r.recordVolumes},
		{Name: "terminate", Condition: deleting, Run: r.terminate},
		{Name: "delete machines", Condition: deleting, Run: r.deleteMachines},
		{Name: "remains", Condition: deleting, Run: r.remains},
		{Name: "release", Condition: deleting, Run: r.release},
	}
}
