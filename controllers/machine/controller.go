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
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/cluster-api/util/labels"
	"sigs.k8s.io/cluster-api/util/patch"
	"sigs.k8s.io/cluster-api/util/paused"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/scheduling"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/tailnetnode"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachines,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachines/status,verbs=patch;update
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshclusters;ociaccounts;tailnets,verbs=get;list;watch
// +kubebuilder:rbac:groups=cluster.x-k8s.io,resources=clusters;machines,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Options are the controller's times. Zero values stand for the defaults.
type Options struct {
	// Intervals are between two passes over a machine.
	Intervals phases.Intervals
	// JoinTimeout is how long after its launch a machine should have joined the tailnet; 20 minutes
	// by default.
	JoinTimeout time.Duration
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
	if o.Clock == nil {
		o.Clock = time.Now
	}
	return o
}

// Reconciler reconciles OCIMeshMachines. Set it up with SetupWithManager, or call Reconcile
// directly.
type Reconciler struct {
	// Client reads from the manager's cache, but Secrets, which it reads from the API server.
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
	// WatchFilterValue is the value of the label cluster.x-k8s.io/watch-filter that objects must
	// have; empty means all.
	WatchFilterValue string
	// OtherDevices are lists of the kinds of objects, besides OCIMeshMachine, that have devices in
	// tailnets.
	OtherDevices []client.ObjectList
	// KeyNamespace is the manager's own, in which tailnet keys are stored (package joinkey).
	KeyNamespace string
	// Options are the controller's times.
	Options Options
	// Claims tell what other management clusters hold; nil minds nobody's claims.
	Claims *claims.Claims
	// Metrics tell how machines come up; nil means that nobody counts.
	Metrics *Metrics

	ledger ledger
	joins  tailnetnode.Joins
}

// Reconcile brings one machine a step further.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (_ ctrl.Result, reterr error) {
	// Only the pass that ends with waiting for it notes the machine anew.
	r.joins.Forget(request.NamespacedName)
	own := &infrav1.OCIMeshMachine{}
	if err := r.Client.Get(ctx, request.NamespacedName, own); err != nil {
		if apierrors.IsNotFound(err) {
			r.ledger.forget(request.NamespacedName)
			r.Scheduler.Forget(request.NamespacedName)
			r.Metrics.forget(request.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.WatchFilterValue != "" && !labels.HasWatchLabel(own, r.WatchFilterValue) {
		// An account or a tailnet that is this manager's may be used by machines that are
		// another's.
		return ctrl.Result{}, nil
	}
	s, err := r.newScope(ctx, own)
	if err != nil || s == nil {
		return ctrl.Result{}, err
	}
	ctx = s.logContext(ctx)
	isNew := identity.IsNew(own)
	if added, err := identity.Ensure(ctx, r.Client, own, infrav1.OCIMeshMachineFinalizer); err != nil || added {
		if err == nil && isNew {
			r.ledger.conceive(request.NamespacedName, identity.Of(own))
		}
		return ctrl.Result{}, err
	}
	s.identify()
	s.owner = s.owner.HeldBy(r.holder(s))
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
		reterr = kerrors.NewAggregate([]error{reterr, r.save(ctx, s)})
	}()
	if !own.DeletionTimestamp.IsZero() {
		err = phases.Run(ctx, s, r.deletePhases())
	} else {
		err = phases.Run(ctx, s, r.normalPhases())
	}
	return s.Result(), err
}

// normalPhases are the way up. A phase that has to wait stops the list.
func (r *Reconciler) normalPhases() []phases.Phase[*scope] {
	return []phases.Phase[*scope]{
		{Name: "prerequisites", Condition: infrav1.PlacedCondition, Run: r.prerequisites},
		{Name: "adopt", Condition: infrav1.InstanceReadyCondition, Run: r.adopt},
		{Name: "place", Condition: infrav1.PlacedCondition, Run: r.place},
		{Name: "bootstrap data", Condition: infrav1.InstanceReadyCondition, Run: r.bootstrapData},
		{Name: "tailnet key", Condition: infrav1.TailnetReadyCondition, Run: r.tailnetKey},
		{Name: "launch", Condition: infrav1.InstanceReadyCondition, Run: r.launch},
		{Name: "observe instance", Condition: infrav1.InstanceReadyCondition, Run: r.observeInstance},
		{Name: "join load balancer", Condition: infrav1.LoadBalancerReadyCondition, Run: r.joinLoadBalancer},
		{Name: "observe device", Condition: infrav1.TailnetReadyCondition, Run: r.observeDevice},
		{Name: "provision", Condition: infrav1.TailnetReadyCondition, Run: r.provision},
	}
}

// deletePhases are the way down.
func (r *Reconciler) deletePhases() []phases.Phase[*scope] {
	const deleting = infrav1.DeletingCondition
	return []phases.Phase[*scope]{
		{Name: "recover status", Condition: deleting, Run: r.recoverStatus},
		{Name: "hold", Condition: deleting, Run: r.holdToEnd},
		{Name: "leave load balancer", Condition: deleting, Run: r.leaveLoadBalancer},
		{Name: "withdraw routes", Condition: deleting, Run: r.withdrawRoutes},
		{Name: "terminate", Condition: deleting, Run: r.terminate},
		{Name: "leave tailnet", Condition: deleting, Run: r.leaveTailnet},
		{Name: "release", Condition: deleting, Run: r.release},
	}
}

// save computes the conditions and writes everything, once.
func (r *Reconciler) save(ctx context.Context, s *scope) error {
	if s.unseen {
		return nil
	}
	if s.released {
		return r.removeFinalizer(ctx, s)
	}
	updateStatus(s)
	if !s.handedOver || !conditions.IsTrue(s.own, infrav1.ReadyCondition) {
		report.Announce(r.Recorder, s.own, conditions.Get(s.before, infrav1.ReadyCondition), conditions.Get(s.own, infrav1.ReadyCondition))
	}
	if s.exclusive {
		// A decision must not be written over one that this pass has not seen: the write fails if
		// the cache was stale.
		err := r.Client.Status().Update(ctx, s.own)
		if apierrors.IsConflict(err) {
			// Whoever wrote in between brings the next pass, which decides anew.
			r.Scheduler.Cancel(ctx, client.ObjectKeyFromObject(s.own))
			return nil
		}
		if err == nil {
			r.Metrics.saved(s)
		}
		return err
	}
	err := r.write(ctx, s)
	if err == nil {
		r.Metrics.saved(s)
	}
	return err
}

// write writes what the pass has changed. If nobody has written since it was read, spec and status
// are a request each, and an event of the watches; else, or if there is metadata to write, the
// parts are merged with what others wrote.
func (r *Reconciler) write(ctx context.Context, s *scope) error {
	if equality.Semantic.DeepEqual(s.before.ObjectMeta, s.own.ObjectMeta) {
		if err := r.overwrite(ctx, s.before, s.own); !apierrors.IsConflict(err) {
			return err
		}
	}
	return s.patch.Patch(ctx, s.own, patch.WithOwnedConditions{Conditions: ownedConditions})
}

// overwrite makes one object's spec and status another's, unless somebody has written in between,
// which is a conflict. Nobody else writes the status, so that it is written whole: that costs the
// API server a fifth less than a patch.
func (r *Reconciler) overwrite(ctx context.Context, before, wanted *infrav1.OCIMeshMachine) error {
	status := wanted.Status
	base := before
	if !equality.Semantic.DeepEqual(before.Spec, wanted.Spec) {
		changed := before.DeepCopy()
		changed.Spec = wanted.Spec
		if err := r.Client.Patch(ctx, changed, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return err
		}
		base = changed
		// The conditions are those of the spec that was just written.
		observed(status.Conditions, base.Generation)
	}
	if equality.Semantic.DeepEqual(base.Status, status) {
		return nil
	}
	changed := base.DeepCopy()
	changed.Status = status
	return r.Client.Status().Update(ctx, changed)
}

// removeFinalizer lets the object go. Its status is nobody's to read any more.
func (r *Reconciler) removeFinalizer(ctx context.Context, s *scope) error {
	released := s.before.DeepCopy()
	controllerutil.RemoveFinalizer(released, infrav1.OCIMeshMachineFinalizer)
	return client.IgnoreNotFound(r.Client.Patch(ctx, released, client.MergeFrom(s.before)))
}

// event records something that happened once.
func (r *Reconciler) event(s *scope, reason, action, note string, args ...any) {
	if r.Recorder != nil {
		r.Recorder.Eventf(s.own, nil, corev1.EventTypeNormal, reason, action, note, args...)
	}
}
