// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package account reconciles OCIAccounts: whether the credentials work, whether the compartment
// answers, which availability domains there are and which clusters use the account. It changes
// nothing in the account.
package account

import (
	"context"
	"time"

	kerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/cluster-api/util/finalizers"
	"sigs.k8s.io/cluster-api/util/labels"
	"sigs.k8s.io/cluster-api/util/patch"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/strays"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ociaccounts,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ociaccounts/status,verbs=patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshclusters;ocimeshmachines,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch

// Options tune the controller; zero values have defaults.
type Options struct {
	// PollInterval is how often a healthy account is looked at; 60 seconds by default.
	PollInterval time.Duration
	// ProgressInterval is how soon a service that did not answer is asked again; 10 seconds by
	// default.
	ProgressInterval time.Duration
	// RefreshInterval is how often the domains and the region are read again; an hour by default,
	// since they hardly change.
	RefreshInterval time.Duration
	// LimitsInterval is how often OCI's service limits are read; 12 minutes by default. After a
	// launch that was refused for one they are read at once, though not more often than
	// PollInterval.
	LimitsInterval time.Duration
	// StrayAfter is for how long an instance must be seen without an object before it counts as a
	// stray; 10 minutes by default, which is longer than a clusterctl move takes to make all
	// objects.
	StrayAfter time.Duration
	// Concurrency is how many accounts are reconciled at once; 10 by default.
	Concurrency int
	// WatchFilterValue, if set, is the value of the label cluster.x-k8s.io/watch-filter of the
	// accounts to reconcile.
	WatchFilterValue string
	// Namespace is the only one whose objects Client shows; empty means that it shows all.
	Namespace string
}

func (o Options) withDefaults() Options {
	if o.PollInterval <= 0 {
		o.PollInterval = time.Minute
	}
	if o.ProgressInterval <= 0 {
		o.ProgressInterval = 10 * time.Second
	}
	if o.RefreshInterval <= 0 {
		o.RefreshInterval = time.Hour
	}
	if o.LimitsInterval <= 0 {
		o.LimitsInterval = 12 * time.Minute
	}
	if o.StrayAfter <= 0 {
		o.StrayAfter = 10 * time.Minute
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 10
	}
	return o
}

// Reconciler reconciles OCIAccounts.
type Reconciler struct {
	// Client reads from the manager's cache, Secrets excepted.
	Client client.Client
	// Reader reads without a cache, and sees all namespaces whatever the cache is restricted to;
	// nil means Client.
	Reader client.Reader
	// Clients are shared by all controllers.
	Clients *access.Clients
	// Pollers poll the accounts; nil means that nobody does, and that accounts are asked whenever
	// they are looked at.
	Pollers *poller.Pollers
	// Recorder is set by SetupWithManager; nil means no events.
	Recorder events.EventRecorder
	// Options are set by SetupWithManager; tests that call Reconcile set them.
	Options Options

	refreshed, inventoried, limited refreshes
	strayed                         strays.Watch
}

// Reconcile looks at one account.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (_ ctrl.Result, reterr error) {
	account := &infrav1.OCIAccount{}
	if err := r.Client.Get(ctx, req.NamespacedName, account); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !labels.HasWatchLabel(account, r.Options.WatchFilterValue) && r.Options.WatchFilterValue != "" {
		return ctrl.Result{}, nil
	}
	if added, err := finalizers.EnsureFinalizer(ctx, r.Client, account, infrav1.OCIAccountFinalizer); err != nil || added {
		return ctrl.Result{}, err
	}
	helper, err := patch.NewHelper(account, r.Client)
	if err != nil {
		return ctrl.Result{}, err
	}
	s := &scope{account: account}
	before := conditions.Get(account, infrav1.ReadyCondition).DeepCopy()
	defer func() {
		r.updateStatus(s)
		if err := helper.Patch(ctx, account, patch.WithOwnedConditions{Conditions: owned}); err != nil {
			// What is gone needs no status.
			reterr = kerrors.NewAggregate([]error{reterr, client.IgnoreNotFound(err)})
		}
		report.Announce(r.Recorder, account, before, conditions.Get(account, infrav1.ReadyCondition))
	}()

	// What an account's own look may wait for takes at most one worker.
	ctx = oci.Patient(ctx)
	// The Secret is owned first: that makes a new version of it, and a new version a new client.
	// Failing to is no reason to leave the rest undone.
	owning := r.ownSecret(ctx, s)
	for _, phase := range []func(context.Context, *scope) error{
		r.findUsers, r.connect, r.probe, r.domains, r.shortages, r.inventory, r.limits, r.strays, r.remove,
	} {
		if err := phase(ctx, s); err != nil {
			return ctrl.Result{}, kerrors.NewAggregate([]error{err, owning})
		}
	}
	return ctrl.Result{RequeueAfter: r.next(s)}, owning
}

// next is when the account is looked at again: soon after what passes by itself, at the usual time
// otherwise. A deleted account waits for the events of those that use it, and polls all the same.
func (r *Reconciler) next(s *scope) time.Duration {
	options := r.Options.withDefaults()
	if s.unavailable != nil {
		return report.Jitter(max(options.ProgressInterval, s.unavailable.RetryAfter))
	}
	if s.later {
		return report.Jitter(options.ProgressInterval)
	}
	return report.Jitter(options.PollInterval)
}
