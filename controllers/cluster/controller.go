// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cluster reconciles OCIMeshClusters: the cluster's network in each of its accounts, the
// address of its API server, and its failure domains. An account that fails affects only itself.
package cluster

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	kerrors "k8s.io/apimachinery/pkg/util/errors"
	"k8s.io/client-go/tools/events"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util"
	"sigs.k8s.io/cluster-api/util/annotations"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/cluster-api/util/labels"
	"sigs.k8s.io/cluster-api/util/patch"
	"sigs.k8s.io/cluster-api/util/paused"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/vip"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshclusters,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshclusters/status,verbs=patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ociaccounts;tailnets;ocimeshmachines,verbs=get;list;watch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=tailnets/status,verbs=update
// +kubebuilder:rbac:groups=cluster.x-k8s.io,resources=clusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Options tune the controller; zero values have defaults.
type Options struct {
	// PollInterval is how often a cluster is looked at while nothing happens; 60 seconds by
	// default.
	PollInterval time.Duration
	// ProgressInterval is how soon a network that is being made or removed is looked at again; 2
	// seconds by default, about as long as OCI takes.
	ProgressInterval time.Duration
	// NetworkInterval is how often a network or a load balancer that is complete is compared with
	// OCI, to repair it; 10 minutes by default.
	NetworkInterval time.Duration
	// AccountTimeout bounds what the network of one account, and the load balancer, may take in one
	// pass; 20 seconds by default. Accounts are dealt with at once, so that one that hangs holds up
	// no other for longer.
	AccountTimeout time.Duration
	// ListLag is how long OCI's lists may not show what was just made; 15 seconds by default. An
	// empty list is believed once it was empty for that long.
	ListLag time.Duration
	// Concurrency is how many clusters are reconciled at once; 10 by default.
	Concurrency int
	// WatchFilterValue, if set, is the value of the label cluster.x-k8s.io/watch-filter of the
	// clusters to reconcile.
	WatchFilterValue string
}

func (o Options) withDefaults() Options {
	for _, option := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&o.PollInterval, time.Minute},
		{&o.ProgressInterval, 2 * time.Second},
		{&o.NetworkInterval, 10 * time.Minute},
		{&o.AccountTimeout, 20 * time.Second},
		{&o.ListLag, 15 * time.Second},
	} {
		if *option.value <= 0 {
			*option.value = option.standard
		}
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 10
	}
	return o
}

// Reconciler reconciles OCIMeshClusters.
type Reconciler struct {
	// Client reads from the manager's cache, Secrets excepted.
	Client client.Client
	// Reader reads without a cache.
	Reader client.Reader
	// Clients are shared by all controllers.
	Clients *access.Clients
	// Recorder is set by SetupWithManager; nil means no events.
	Recorder events.EventRecorder
	// Claims tell what other management clusters hold; nil minds nobody's claims.
	Claims *claims.Claims
	// Options are set by SetupWithManager; tests that call Reconcile set them.
	Options Options

	memory memory
}

func (r *Reconciler) ledger() vip.Ledger {
	return vip.Ledger{Client: r.Client, Reader: r.Reader, Allowed: r.Clients.MayUseTailnet}
}

// Reconcile brings one cluster's infrastructure nearer to its spec.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	infra := &infrav1.OCIMeshCluster{}
	if err := r.Client.Get(ctx, req.NamespacedName, infra); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.Options.WatchFilterValue != "" && !labels.HasWatchLabel(infra, r.Options.WatchFilterValue) {
		return ctrl.Result{}, nil
	}
	if annotations.IsExternallyManaged(infra) {
		ctrl.LoggerFrom(ctx).V(4).Info("The cluster is managed by somebody else")
		return ctrl.Result{}, nil
	}
	cluster, err := util.GetOwnerCluster(ctx, r.Client, infra.ObjectMeta)
	if err != nil && !apierrors.IsNotFound(err) {
		return ctrl.Result{}, err
	}
	if cluster == nil && infra.DeletionTimestamp.IsZero() {
		ctrl.LoggerFrom(ctx).Info("Waiting for the Cluster to own its infrastructure")
		return ctrl.Result{}, nil
	}
	if isPaused, again, err := paused.EnsurePausedCondition(ctx, r.Client, cluster, infra); err != nil || isPaused || again {
		return ctrl.Result{}, err
	}
	if written, err := identity.Ensure(ctx, r.Client, infra, infrav1.OCIMeshClusterFinalizer); err != nil || written {
		return ctrl.Result{}, err
	}
	return r.reconcile(ctx, &scope{cluster: cluster, infra: infra, options: r.Options.withDefaults()})
}

// phase is a step of a reconcile. An error is one of the API server or a bug; what the user is told
// about stays in the scope.
type phase func(context.Context, *scope) error

func (r *Reconciler) reconcile(ctx context.Context, s *scope) (_ ctrl.Result, reterr error) {
	helper, err := patch.NewHelper(s.infra, r.Client)
	if err != nil {
		return ctrl.Result{}, err
	}
	before := conditions.Get(s.infra, infrav1.ReadyCondition).DeepCopy()
	defer func() {
		if apierrors.IsConflict(reterr) {
			// The phases saw an old copy and did not get to the end: what they left is no state to
			// tell of.
			return
		}
		updateStatus(s)
		if err := helper.Patch(ctx, s.infra, patch.WithOwnedConditions{Conditions: owned}); err != nil {
			// What is gone needs no status.
			reterr = kerrors.NewAggregate([]error{reterr, client.IgnoreNotFound(err)})
		}
		report.Announce(r.Recorder, s.infra, before, conditions.Get(s.infra, infrav1.ReadyCondition))
	}()
	phases := []phase{
		r.findMachines,
		r.findAccounts,
		r.findTailnet,
		r.recordAccounts,
		r.ensureNetworks,
		r.leaveAccounts,
		r.ensureEndpoint,
		provision,
		failureDomains,
	}
	if !s.infra.DeletionTimestamp.IsZero() {
		phases = []phase{r.findMachines, r.waitForMachines, r.removeLoadBalancer, r.removeNetworks, r.releaseEndpoint, r.removeFinalizer}
	}
	for _, run := range phases {
		if err := run(ctx, s); err != nil {
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{RequeueAfter: s.next()}, nil
}

// clusterName is the name of the Cluster, also after that is gone.
func clusterName(infra *infrav1.OCIMeshCluster) string {
	if name := infra.Labels[clusterv1.ClusterNameLabel]; name != "" {
		return name
	}
	for _, ref := range infra.OwnerReferences {
		if ref.Kind == "Cluster" {
			return ref.Name
		}
	}
	return infra.Name
}
