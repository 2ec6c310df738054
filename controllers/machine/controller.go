// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package machine makes OCIMeshMachines real: it places a machine, launches its instance, sees it
// join the tailnet and, in reverse, takes it away. The order of the phases is in normalPhases and
// deletePhases; each phase is one file.
package machine

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	kerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/cluster-api/util/labels"
	"sigs.k8s.io/cluster-api/util/patch"
	"sigs.k8s.io/cluster-api/util/paused"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachines,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachines/status,verbs=patch;update
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshclusters;ociaccounts;tailnets,verbs=get;list;watch
// +kubebuilder:rbac:groups=cluster.x-k8s.io,resources=clusters;machines;machinedrainrules,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Options are the controller's times. Zero values stand for the defaults.
type Options struct {
	// Intervals are between two passes over a machine.
	Intervals phases.Intervals
	// JoinTimeout is how long after its launch a machine should have joined the tailnet; 20 minutes
	// by default.
	JoinTimeout time.Duration
	// SettleTime is how long after a restart in place a machine is called updated at the earliest;
	// a minute by default.
	SettleTime time.Duration
	// Capacity is how long places without room are left out.
	Capacity capacity.Policy
	// Clock tells the time; time.Now by default.
	Clock func() time.Time
}

func (o Options) withDefaults() Options {
	o.Intervals = o.Intervals.WithDefaults()
	if o.JoinTimeout <= 0 {
		o.JoinTimeout = 20 * time.Minute
	}
	if o.SettleTime <= 0 {
		o.SettleTime = settling
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o
}

// Reconciler reconciles OCIMeshMachines. Set it up with SetupWithManager, or call Reconcile
// directly.
type Reconciler struct {
	// Client reads from the manager's cache, but Secrets from the API server.
	Client client.Client
	// APIReader reads from the API server.
	APIReader client.Reader
	// Access hands out clients of accounts and tailnets.
	Access *access.Clients
	// Pollers know the instances of all accounts.
	Pollers *poller.Pollers
	// Scheduler decides where machines go.
	Scheduler *scheduling.Scheduler
	// Recorder records events.
	Recorder events.EventRecorder
	// WatchFilterValue is the value required of objects in the label cluster.x-k8s.io/watch-filter;
	// empty means all objects.
	WatchFilterValue string
	// Devices know which devices objects of all namespaces have recorded.
	Devices tailnetnode.Statuses
	// KeyNamespace is the manager's own. It holds the tailnet keys (tailnetnode.KeyStore).
	KeyNamespace string
	// Options are the controller's times.
	Options Options
	// Claims tell what other management clusters hold; nil minds nobody's claims.
	Claims *claims.Claims
	// Metrics tell how machines come up; nil counts nothing.
	Metrics *Metrics
	// InPlaceUpdates gives new nodes the agent for updates of versions in place.
	InPlaceUpdates bool

	creations   creations
	setRefusals capacity.SetRefusals
	joins       tailnetnode.Joins
	backends    backends
}

// Reconcile brings one machine a step further.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (_ ctrl.Result, reterr error) {
	// A pass notes the machine anew if it ends with waiting for the device.
	r.joins.Forget(request.NamespacedName)
	own := &infrav1.OCIMeshMachine{}
	if err := r.Client.Get(ctx, request.NamespacedName, own); err != nil {
		if apierrors.IsNotFound(err) {
			r.creations.forget(request.NamespacedName)
			r.backends.pending.Drop(request.String())
			r.backends.pending.Drop(leavingOf(request.NamespacedName))
			r.Scheduler.Forget(request.NamespacedName)
			r.Metrics.forget(request.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.WatchFilterValue != "" && !labels.HasWatchLabel(own, r.WatchFilterValue) {
		// Machines of another manager may use this manager's accounts and tailnets.
		return ctrl.Result{}, nil
	}
	s, err := r.newScope(ctx, own)
	if err != nil || s == nil {
		return ctrl.Result{}, err
	}
	ctx = s.logContext(ctx)
	isNew := identity.IsNew(own)
	added, err := identity.Ensure(ctx, r.Client, own, infrav1.OCIMeshMachineFinalizer, r.decided())
	if err != nil {
		return ctrl.Result{}, err
	}
	// A stale cache may have shown own without the identity: what was written is as it is now.
	if added && isNew && equality.Semantic.DeepEqual(own.Status, infrav1.OCIMeshMachineStatus{}) {
		r.creations.begin(request.NamespacedName, identity.Of(own))
	}
	s.identify()
	s.owner = s.owner.HeldBy(r.holding().holder(s))
	if s.isPaused() {
		_, _, err := paused.EnsurePausedCondition(ctx, r.Client, s.cluster, own)
		return ctrl.Result{}, err
	}
	s.before = own.DeepCopy()
	s.patch, err = patch.NewHelper(own, r.Client)
	if err != nil {
		return ctrl.Result{}, err
	}
	defer func() {
		reterr = kerrors.NewAggregate([]error{reterr, r.saver().save(ctx, s)})
	}()
	if !own.DeletionTimestamp.IsZero() {
		err = phases.Run(ctx, s, r.deletePhases())
	} else {
		err = phases.Run(ctx, s, r.normalPhases())
	}
	return s.Result(), err
}

// normalPhases are the way up. Until the launch a phase that has to wait stops the list. Later ones
// note what is missing, for provision to ask for.
func (r *Reconciler) normalPhases() []phases.Phase[*scope] {
	launcher, starter, balancing := r.launcher(), starter{finder: r.finder()}, r.balancing()
	return []phases.Phase[*scope]{
		{Name: "prerequisites", Condition: infrav1.PlacedCondition, Run: r.prerequisites},
		{Name: "adopt", Condition: infrav1.InstanceReadyCondition, Run: r.adopt},
		{Name: "place", Condition: infrav1.PlacedCondition, Run: launcher.place},
		{Name: "bootstrap data", Condition: infrav1.InstanceReadyCondition, Run: r.bootstrapData},
		{Name: "tailnet key", Condition: infrav1.TailnetReadyCondition, Run: r.tailnetKey},
		{Name: "launch", Condition: infrav1.InstanceReadyCondition, Run: launcher.launch},
		{Name: "observe instance", Condition: infrav1.InstanceReadyCondition, Run: r.observeInstance},
		{Name: "update", Condition: infrav1.UpdatedCondition, Independent: true, Run: r.update},
		{Name: "start instance", Condition: infrav1.InstanceReadyCondition, Independent: true, Run: starter.startInstance},
		{Name: "join load balancer", Condition: infrav1.LoadBalancerReadyCondition, Run: balancing.joinLoadBalancer},
		{Name: "observe device", Condition: infrav1.TailnetReadyCondition, Run: r.observeDevice},
		{Name: "update versions", Condition: infrav1.UpdatedCondition, Independent: true, Run: r.updateVersions},
		{Name: "uncordon", Condition: infrav1.UpdatedCondition, Independent: true, Run: drains{r.Client}.uncordon},
		{Name: "read console", Condition: infrav1.TailnetReadyCondition, Independent: true, Run: r.readConsole},
		{Name: "provision", Condition: infrav1.TailnetReadyCondition, Run: r.provision},
	}
}

// deletePhases are the way down.
func (r *Reconciler) deletePhases() []phases.Phase[*scope] {
	const deleting = infrav1.DeletingCondition
	remover := remover{launcher: r.launcher()}
	return []phases.Phase[*scope]{
		{Name: "recover status", Condition: deleting, Run: remover.recoverStatus},
		{Name: "hold", Condition: deleting, Run: r.holding().holdToEnd},
		{Name: "leave load balancer", Condition: deleting, Run: r.balancing().leaveLoadBalancer},
		{Name: "withdraw routes", Condition: deleting, Run: r.withdrawRoutes},
		{Name: "terminate", Condition: deleting, Run: remover.terminate},
		{Name: "leave tailnet", Condition: deleting, Run: r.leaveTailnet},
		{Name: "release", Condition: deleting, Run: remover.release},
	}
}

// recordEvent records a single occurrence.
func recordEvent(s *scope, reason, action, note string, args ...any) {
	if s.recorder != nil {
		s.recorder.Eventf(s.own, nil, corev1.EventTypeNormal, reason, action, note, args...)
	}
}
