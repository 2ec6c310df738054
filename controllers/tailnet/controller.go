// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tailnet reconciles Tailnets: whether the credentials can do what machines will need,
// which clusters use the tailnet, and that the list of control-plane addresses agrees with the
// clusters there are.
package tailnet

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	kerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/cluster-api/util/conditions"
	capicontrollerutil "sigs.k8s.io/cluster-api/util/controller"
	"sigs.k8s.io/cluster-api/util/finalizers"
	"sigs.k8s.io/cluster-api/util/labels"
	"sigs.k8s.io/cluster-api/util/patch"
	"sigs.k8s.io/cluster-api/util/predicates"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/strays"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/vip"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=tailnets,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=tailnets/status,verbs=patch;update
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshclusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch

// Options tune the controller; zero values have defaults.
type Options struct {
	// PollInterval is how often a healthy tailnet is asked whether it still answers; 5 minutes by
	// default, since the answer is the list of all its devices.
	PollInterval time.Duration
	// ProgressInterval is how soon a server that did not answer is asked again; 10 seconds by
	// default.
	ProgressInterval time.Duration
	// CheckInterval is how often all that machines will need is tried out, keys included; an hour
	// by default, and at once when the spec or the credentials have changed or the last check
	// failed.
	CheckInterval time.Duration
	// StrayAfter is for how long a device or key must be seen without an object before it counts as
	// a stray; 10 minutes by default, which is longer than a clusterctl move takes to make all
	// objects.
	StrayAfter time.Duration
	// Concurrency is how many tailnets are reconciled at once; 5 by default.
	Concurrency int
	// WatchFilterValue, if set, is the value of the label cluster.x-k8s.io/watch-filter of the
	// tailnets to reconcile.
	WatchFilterValue string
	// Namespace is the only one whose objects Client shows; empty means that it shows all.
	Namespace string
}

func (o Options) withDefaults() Options {
	if o.PollInterval <= 0 {
		o.PollInterval = 5 * time.Minute
	}
	if o.ProgressInterval <= 0 {
		o.ProgressInterval = 10 * time.Second
	}
	if o.CheckInterval <= 0 {
		o.CheckInterval = time.Hour
	}
	if o.StrayAfter <= 0 {
		o.StrayAfter = 10 * time.Minute
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 5
	}
	return o
}

// Reconciler reconciles Tailnets.
type Reconciler struct {
	// Client reads from the manager's cache, Secrets excepted.
	Client client.Client
	// Reader reads without a cache.
	Reader client.Reader
	// Clients are shared by all controllers.
	Clients *access.Clients
	// Recorder is set by SetupWithManager; nil means no events.
	Recorder events.EventRecorder
	// Options are set by SetupWithManager; tests that call Reconcile set them.
	Options Options

	passed               passes
	strayed, strayedKeys strays.Watch
}

// scope is what one reconcile knows.
type scope struct {
	tailnet *infrav1.Tailnet
	// users are the clusters that use the tailnet. Set by findUsers.
	users []infrav1.ObjectUser
	// client is set by connect if there are usable credentials.
	client *tailnet.Client
	// checked is set by check; problem is what is wrong, nil if nothing is.
	checked bool
	problem *access.Problem
	// full says that the check tried out all, which it does once in a while. Set by check.
	full bool
	// strays are what the lists have shown of them; nil if there was none. Set by strays.
	strays *straysSeen
	// waitsFor is what holds up a deletion. Set by remove.
	waitsFor *access.Problem
}

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager, options Options) error {
	r.Options = options.withDefaults()
	r.Recorder = mgr.GetEventRecorder("tailnet-controller")
	log := ctrl.LoggerFrom(ctx).WithValues("controller", "tailnet")
	return capicontrollerutil.NewControllerManagedBy(mgr, log).
		For(&infrav1.Tailnet{}, builder.WithPredicates(
			predicates.ResourceHasFilterLabel(mgr.GetScheme(), log, r.Options.WatchFilterValue))).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.secretToTailnets)).
		// Not for each change of a cluster's status: a tailnet lists its devices whenever it is
		// looked at.
		Watches(&infrav1.OCIMeshCluster{}, handler.EnqueueRequestsFromMapFunc(r.clusterToTailnet), predicate.GenerationChangedPredicate{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: r.Options.Concurrency}).
		Complete(ctx, r)
}

// Reconcile looks at one tailnet.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (_ ctrl.Result, reterr error) {
	tn := &infrav1.Tailnet{}
	if err := r.Client.Get(ctx, req.NamespacedName, tn); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.Options.WatchFilterValue != "" && !labels.HasWatchLabel(tn, r.Options.WatchFilterValue) {
		return ctrl.Result{}, nil
	}
	if added, err := finalizers.EnsureFinalizer(ctx, r.Client, tn, infrav1.TailnetFinalizer); err != nil || added {
		return ctrl.Result{}, err
	}
	// The list of addresses is written under a lock of its own, before anything else of the status
	// is read. Failing to write it is no reason to leave the rest undone.
	ledger := vip.Ledger{Client: r.Client, Reader: r.Reader, Allowed: r.Clients.MayUseTailnet}
	changed, auditing := ledger.Audit(ctx, tn.Name)
	if apierrors.IsNotFound(auditing) {
		return ctrl.Result{}, nil
	}
	if changed {
		if err := r.Reader.Get(ctx, req.NamespacedName, tn); err != nil {
			return ctrl.Result{}, client.IgnoreNotFound(err)
		}
	}
	helper, err := patch.NewHelper(tn, r.Client)
	if err != nil {
		return ctrl.Result{}, err
	}
	s := &scope{tailnet: tn}
	before := conditions.Get(tn, infrav1.ReadyCondition).DeepCopy()
	defer func() {
		r.updateStatus(s)
		if err := helper.Patch(ctx, tn, patch.WithOwnedConditions{Conditions: owned}); err != nil {
			// What is gone needs no status.
			reterr = kerrors.NewAggregate([]error{reterr, client.IgnoreNotFound(err)})
		}
		report.Announce(r.Recorder, tn, before, conditions.Get(tn, infrav1.ReadyCondition))
	}()

	// The Secret is owned first: that makes a new version of it, and a new version a new client.
	// Failing to is no reason to leave the rest undone.
	owning := kerrors.NewAggregate([]error{auditing, r.ownSecret(ctx, s)})
	for _, phase := range []func(context.Context, *scope) error{r.findUsers, r.connect, r.check, r.strays, r.remove} {
		if err := phase(ctx, s); err != nil {
			return ctrl.Result{}, kerrors.NewAggregate([]error{err, owning})
		}
	}
	return ctrl.Result{RequeueAfter: r.next(s)}, owning
}

func (r *Reconciler) ownSecret(ctx context.Context, s *scope) error {
	if !s.tailnet.DeletionTimestamp.IsZero() {
		return nil
	}
	return r.Clients.OwnSecret(ctx, s.tailnet, s.tailnet.Spec.Credentials.SecretRef)
}

// next is when the tailnet is looked at again: soon after what passes by itself, after a minute if
// somebody has to mend something outside of Kubernetes, of which no event comes.
func (r *Reconciler) next(s *scope) time.Duration {
	options := r.Options.withDefaults()
	switch {
	case s.problem == nil:
		return report.Jitter(options.PollInterval)
	case s.problem.Reason == infrav1.UnavailableReason || s.problem.Reason == infrav1.ThrottledReason:
		return report.Jitter(max(options.ProgressInterval, s.problem.RetryAfter))
	}
	return report.Jitter(min(options.PollInterval, time.Minute))
}
