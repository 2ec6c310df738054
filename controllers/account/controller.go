// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package account reconciles OCIAccounts: whether the credentials work, whether the compartment
// answers, which availability domains there are and which clusters use the account. It changes
// nothing in the account. The order of the phases is in normalPhases and deletePhases; each phase
// is one file.
package account

import (
	"context"
	"time"

	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/cluster-api/util/finalizers"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/strays"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ociaccounts,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ociaccounts/status,verbs=patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshclusters;ocimeshmachines,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch

// Options tune the controller; zero values have defaults.
type Options struct {
	// Intervals are between two looks at an account.
	Intervals phases.Intervals
	// RefreshInterval is how often the domains and the region are read again; an hour by default,
	// since they hardly change.
	RefreshInterval time.Duration
	// LimitsInterval is how often OCI's service limits are read; an hour by default. After a launch
	// that was refused for one they are read at once, though not more often than Intervals.Poll.
	LimitsInterval time.Duration
	// AwaitedLimitsInterval is how often they are read while they keep a machine out; 12 minutes by
	// default.
	AwaitedLimitsInterval time.Duration
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
	o.Intervals = o.Intervals.WithDefaults()
	if o.Intervals.Least <= 0 {
		// A pass counts machines and writes status: no service can ask for one each second.
		o.Intervals.Least = o.Intervals.Retry
	}
	if o.RefreshInterval <= 0 {
		o.RefreshInterval = time.Hour
	}
	if o.LimitsInterval <= 0 {
		o.LimitsInterval = time.Hour
	}
	if o.AwaitedLimitsInterval <= 0 {
		o.AwaitedLimitsInterval = 12 * time.Minute
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

	// limitsHit is when launches were refused for a limit.
	domainsRead, inventoried, limitsRead, limitsHit timestamps
	strayWatch                                      strays.Watch
}

// maxPass bounds a pass. Its calls wait for their turn among those of the account, other than
// machines' do: limits are more calls than may be made at once, and a call that was held back says
// nothing about the account, whose Ready every placement goes by. That takes one worker for each
// account, of a controller that does nothing else.
const maxPass = time.Minute

// Reconcile looks at one account.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (_ ctrl.Result, reterr error) {
	account := &infrav1.OCIAccount{}
	if ours, err := phases.Get(ctx, r.Client, req.NamespacedName, account, r.Options.WatchFilterValue); err != nil || !ours {
		return ctrl.Result{}, err
	}
	if added, err := finalizers.EnsureFinalizer(ctx, r.Client, account, infrav1.OCIAccountFinalizer); err != nil || added {
		return ctrl.Result{}, err
	}
	s := r.newScope(account)
	saver, err := phases.NewSaver(r.Client, r.Recorder, account, owned)
	if err != nil {
		return ctrl.Result{}, err
	}
	defer func() {
		r.updateStatus(s)
		reterr = saver.Save(ctx, s, reterr)
	}()
	bounded, cancel := context.WithTimeout(oci.Patient(ctx), maxPass)
	defer cancel()
	if !account.DeletionTimestamp.IsZero() {
		err = phases.Run(bounded, s, r.deletePhases())
	} else {
		err = phases.Run(bounded, s, r.normalPhases())
	}
	s.Rest()
	return s.Result(), err
}

// normalPhases own the Secret before anything else: that makes a new version of it, and a new
// version a new client.
func (r *Reconciler) normalPhases() []phases.Phase[*scope] {
	return append([]phases.Phase[*scope]{
		{Name: "own secret", Condition: infrav1.CredentialsValidCondition, Independent: true, Run: r.ownSecret},
		{Name: "find users", Condition: infrav1.DeletingCondition, Independent: true, Run: r.findUsers},
	}, r.observePhases()...)
}

// deletePhases observe an account for as long as somebody uses it.
func (r *Reconciler) deletePhases() []phases.Phase[*scope] {
	return append([]phases.Phase[*scope]{
		{Name: "find users", Condition: infrav1.DeletingCondition, Run: r.findUsers},
		{Name: "release", Condition: infrav1.DeletingCondition, Independent: true, Run: r.release},
	}, r.observePhases()...)
}

// observePhases begin with what is known without a call to OCI.
func (r *Reconciler) observePhases() []phases.Phase[*scope] {
	return []phases.Phase[*scope]{
		{Name: "shortages", Condition: infrav1.CompartmentAccessibleCondition, Independent: true, Run: r.shortages},
		{Name: "inventory", Condition: infrav1.CompartmentAccessibleCondition, Independent: true, Run: r.inventory},
		{Name: "strays", Condition: infrav1.StraysAbsentCondition, Independent: true, Run: r.strays},
		{Name: "connect", Condition: infrav1.CredentialsValidCondition, Run: r.connect},
		{Name: "probe", Condition: infrav1.CompartmentAccessibleCondition, Run: r.probe},
		{Name: "domains", Condition: infrav1.CompartmentAccessibleCondition, Run: r.domains},
		{Name: "limits", Condition: infrav1.CompartmentAccessibleCondition, Run: r.limits},
	}
}
