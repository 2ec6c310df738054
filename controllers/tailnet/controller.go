// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package tailnet reconciles Tailnets: whether the credentials can do what machines will need,
// which clusters use the tailnet, and that the list of control-plane addresses agrees with the
// clusters there are. The order of the phases is in normalPhases and deletePhases; each phase is
// one file.
package tailnet

import (
	"context"
	"errors"
	"time"

	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/cluster-api/util/finalizers"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/strays"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=tailnets,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=tailnets/status,verbs=patch;update
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshclusters;ocimeshmachines,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch

// Options tune the controller; zero values have defaults.
type Options struct {
	// Intervals are between two looks at a tailnet. At rest they are 5 minutes by default, since
	// the answer is the list of all its devices; what a person has to fix at the server is looked
	// at after a minute.
	Intervals phases.Intervals
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
	if o.Intervals.Poll <= 0 {
		o.Intervals.Poll = 5 * time.Minute
	}
	if o.Intervals.Outside <= 0 {
		o.Intervals.Outside = min(o.Intervals.Poll, time.Minute)
	}
	o.Intervals = o.Intervals.WithDefaults()
	if o.Intervals.Least <= 0 {
		o.Intervals.Least = o.Intervals.Retry
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
	// OtherDevices are lists of the kinds with devices in tailnets, besides OCIMeshMachine.
	OtherDevices []client.ObjectList
	// Options are set by SetupWithManager; tests that call Reconcile set them.
	Options Options

	lastChecks            lastChecks
	deviceWatch, keyWatch strays.Watch
}

// Reconcile looks at one tailnet.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (_ ctrl.Result, reterr error) {
	tn := &infrav1.Tailnet{}
	if ours, err := phases.Get(ctx, r.Client, req.NamespacedName, tn, r.Options.WatchFilterValue); err != nil || !ours {
		return ctrl.Result{}, err
	}
	if added, err := finalizers.EnsureFinalizer(ctx, r.Client, tn, infrav1.TailnetFinalizer); err != nil || added {
		return ctrl.Result{}, err
	}
	// Failing to write the list of addresses is no reason to leave the rest undone.
	found, auditing := r.auditAddresses(ctx, tn)
	if !found {
		return ctrl.Result{}, auditing
	}
	s := r.newScope(tn)
	saver, err := phases.NewSaver(r.Client, r.Recorder, tn, owned)
	if err != nil {
		return ctrl.Result{}, err
	}
	defer func() {
		r.updateStatus(s)
		reterr = saver.Save(ctx, s, reterr)
	}()
	if !tn.DeletionTimestamp.IsZero() {
		err = phases.Run(ctx, s, r.deletePhases())
	} else {
		err = phases.Run(ctx, s, r.normalPhases())
	}
	s.Rest()
	return s.Result(), errors.Join(err, auditing)
}

// normalPhases own the Secret before anything else: that makes a new version of it, and a new
// version a new client.
func (r *Reconciler) normalPhases() []phases.Phase[*scope] {
	return append([]phases.Phase[*scope]{
		{Name: "own secret", Condition: infrav1.CredentialsValidCondition, Independent: true, Run: r.ownSecret},
		{Name: "find users", Condition: infrav1.DeletingCondition, Independent: true, Run: r.findUsers},
	}, r.observePhases()...)
}

// deletePhases observe a tailnet for as long as somebody uses it.
func (r *Reconciler) deletePhases() []phases.Phase[*scope] {
	return append([]phases.Phase[*scope]{
		{Name: "find users", Condition: infrav1.DeletingCondition, Run: r.findUsers},
		{Name: "release", Condition: infrav1.DeletingCondition, Independent: true, Run: r.release},
	}, r.observePhases()...)
}

func (r *Reconciler) observePhases() []phases.Phase[*scope] {
	return []phases.Phase[*scope]{
		{Name: "compare ranges", Condition: infrav1.RangesDistinctCondition, Independent: true, Run: r.compareRanges},
		{Name: "connect", Condition: infrav1.CredentialsValidCondition, Run: r.connect},
		{Name: "check", Condition: infrav1.CredentialsValidCondition, Run: r.check},
		{Name: "policy", Condition: infrav1.PolicyReadyCondition, Run: r.policy},
		{Name: "strays", Condition: infrav1.StraysAbsentCondition, Run: r.strays},
	}
}
