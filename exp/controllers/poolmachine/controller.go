// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package poolmachine looks after OCIMeshMachinePoolMachines: each stands for one instance of a
// pool. It sees the instance join the tailnet and, when its Machine is deleted, takes exactly this
// one out of the pool.
package poolmachine

import (
	"context"
	"time"

	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/cluster-api/util/finalizers"
	"sigs.k8s.io/cluster-api/util/paused"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	expv1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/exp/v1alpha1"
	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
	"github.com/ocimesh/cluster-api-provider-ocimesh/exp/controllers/poolid"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachinepoolmachines,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachinepoolmachines/status,verbs=patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachinepools;ocimeshclusters;ociaccounts;tailnets,verbs=get;list;watch
// +kubebuilder:rbac:groups=cluster.x-k8s.io,resources=clusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=cluster.x-k8s.io,resources=machines,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Options are the controller's times. Zero values stand for the defaults.
type Options struct {
	// Intervals are between two passes over a machine.
	Intervals phases.Intervals
	// JoinTimeout is how long after its launch an instance should have joined the tailnet; 20
	// minutes by default.
	JoinTimeout time.Duration
	// Clock tells the time; time.Now by default.
	Clock func() time.Time
}

func (o Options) withDefaults() Options {
	set := func(value *time.Duration, otherwise time.Duration) {
		if *value <= 0 {
			*value = otherwise
		}
	}
	o.Intervals = poolid.Intervals(o.Intervals)
	set(&o.JoinTimeout, 20*time.Minute)
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o
}

// Reconciler reconciles OCIMeshMachinePoolMachines. Set it up with SetupWithManager, or call
// Reconcile directly.
type Reconciler struct {
	// Client reads from the manager's cache.
	Client client.Client
	// Access hands out clients of accounts and tailnets.
	Access *access.Clients
	// Pollers know the instances of all accounts.
	Pollers *poller.Pollers
	// Recorder records events.
	Recorder events.EventRecorder
	// WatchFilterValue is the value of the label cluster.x-k8s.io/watch-filter that objects must
	// have; empty means all.
	WatchFilterValue string
	// Devices know which devices objects of all namespaces have recorded.
	Devices tailnetnode.Statuses
	// Claims tell what other management clusters hold; nil minds nobody's claims.
	Claims *claims.Claims
	// Options are the controller's times.
	Options Options

	joins tailnetnode.Joins
}

// Reconcile brings one machine a step further.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (_ ctrl.Result, reterr error) {
	// Only the pass that ends with waiting for it notes the machine anew.
	r.joins.Forget(request.NamespacedName)
	own := &expv1.OCIMeshMachinePoolMachine{}
	if ours, err := phases.Get(ctx, r.Client, request.NamespacedName, own, r.WatchFilterValue); err != nil || !ours {
		return ctrl.Result{}, err
	}
	s, err := r.newScope(ctx, own)
	if err != nil || s == nil {
		return ctrl.Result{}, err
	}
	if added, err := finalizers.EnsureFinalizer(ctx, r.Client, own, expv1.OCIMeshMachinePoolMachineFinalizer); err != nil || added {
		return ctrl.Result{}, err
	}
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

// normalPhases are the way up.
func (r *Reconciler) normalPhases() []phases.Phase[*scope] {
	return []phases.Phase[*scope]{
		{Name: "connect", Condition: infrav1.InstanceReadyCondition, Run: r.connect},
		{Name: "hold", Condition: infrav1.InstanceReadyCondition, Run: r.hold},
		{Name: "observe instance", Condition: infrav1.InstanceReadyCondition, Run: r.observeInstance},
		{Name: "connect tailnet", Condition: infrav1.TailnetReadyCondition, Run: r.connectTailnet},
		{Name: "observe device", Condition: infrav1.TailnetReadyCondition, Run: r.observeDevice},
		{Name: "provision", Condition: infrav1.TailnetReadyCondition, Run: r.provision},
	}
}

// deletePhases are the way down.
func (r *Reconciler) deletePhases() []phases.Phase[*scope] {
	const deleting = infrav1.DeletingCondition
	return []phases.Phase[*scope]{
		{Name: "connect", Condition: deleting, Run: r.connect},
		{Name: "look", Condition: deleting, Run: r.look},
		{Name: "hold", Condition: deleting, Run: r.holdToEnd},
		{Name: "record volumes", Condition: deleting, Run: r.recordVolumes},
		{Name: "detach", Condition: deleting, Run: r.detach},
		{Name: "remove volumes", Condition: deleting, Run: r.removeVolumes},
		{Name: "connect tailnet", Condition: deleting, Run: r.connectTailnet},
		{Name: "leave tailnet", Condition: deleting, Run: r.leaveTailnet},
		{Name: "release", Condition: deleting, Run: r.release},
	}
}
