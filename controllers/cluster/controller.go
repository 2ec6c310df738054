// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cluster reconciles OCIMeshClusters: the cluster's network in each of its accounts, the
// address of its API server, and its failure domains. An account that fails affects only itself.
//
// These are the phases of a pass, in their order. Each has the file of its name.
//
//	select endpoint        the strategy for the endpoint type; nothing is made for an unknown one
//	find machines          the cluster's machines
//	find accounts          which accounts of the spec can be used
//	find tailnet           whether the tailnet can be used
//	record accounts        where something is about to be made
//	ensure networks        the networks of all accounts that can be used, at once
//	leave accounts         removes the networks in accounts that left the spec
//	compare ranges         whether pods, services and networks meet other ranges of the tailnet
//	ensure endpoint        the address of the API server
//	provision              says, once, that machines may be made
//	list failure domains   the availability domains of the accounts that are ready
//
// These are the phases of a deletion. Each waits until the ones before it are done.
//
//	find machines          the cluster's machines
//	wait for machines      they, and machine pools, need the networks until they are gone
//	select endpoint        the strategy for the endpoint type
//	remove endpoint        what the endpoint has in the networks: the load balancer
//	remove networks        the networks in all accounts
//	release endpoint       gives the address back
//	remove finalizer       nothing is left
package cluster

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util"
	"sigs.k8s.io/cluster-api/util/annotations"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/cluster-api/util/paused"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshclusters,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshclusters/status,verbs=patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ociaccounts;tailnets;ocimeshmachines,verbs=get;list;watch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=tailnets/status,verbs=update
// +kubebuilder:rbac:groups=cluster.x-k8s.io,resources=clusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Options tune the controller; zero values have defaults.
type Options struct {
	// Intervals are between two passes. Progress is 2 seconds by default, about as long as OCI
	// takes for a part of a network.
	Intervals phases.Intervals
	// NetworkInterval is how often a network or a load balancer that is complete is compared with
	// OCI, to repair it; an hour by default.
	NetworkInterval time.Duration
	// UnseenInterval is the same where polls of machines show neither who holds it nor what is
	// wrong with it, and the least between two signs of that; 10 minutes by default.
	UnseenInterval time.Duration
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
		{&o.Intervals.Progress, 2 * time.Second},
		{&o.NetworkInterval, time.Hour},
		{&o.UnseenInterval, 10 * time.Minute},
		{&o.AccountTimeout, 20 * time.Second},
		{&o.ListLag, 15 * time.Second},
	} {
		if *option.value <= 0 {
			*option.value = option.standard
		}
	}
	o.UnseenInterval = min(o.UnseenInterval, o.NetworkInterval)
	o.Intervals = o.Intervals.WithDefaults()
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
	// OtherDevices are lists of the kinds with devices in tailnets, besides OCIMeshMachine.
	OtherDevices []client.ObjectList
	// Claims tell what other management clusters hold; nil minds nobody's claims.
	Claims *claims.Claims
	// Options are set by SetupWithManager; tests that call Reconcile set them.
	Options Options

	cache cache
}

// Reconcile brings one cluster's infrastructure nearer to its spec.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	infra := &infrav1.OCIMeshCluster{}
	if ours, err := phases.Get(ctx, r.Client, req.NamespacedName, infra, r.Options.WatchFilterValue); err != nil || !ours {
		return ctrl.Result{}, err
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
	if isPaused(cluster, infra) {
		_, _, err := paused.EnsurePausedCondition(ctx, r.Client, cluster, infra)
		return ctrl.Result{}, err
	}
	// The pass goes on after the write: Cluster API's builder allows one a second.
	if _, err := identity.Ensure(ctx, r.Client, infra, infrav1.OCIMeshClusterFinalizer, nil); err != nil {
		return ctrl.Result{}, err
	}
	return r.reconcile(ctx, newScope(cluster, infra, r.Options.withDefaults()))
}

// isPaused tells whether somebody wants the cluster left alone.
func isPaused(cluster *clusterv1.Cluster, infra *infrav1.OCIMeshCluster) bool {
	return (cluster != nil && ptr.Deref(cluster.Spec.Paused, false)) || annotations.HasPaused(infra)
}

func (r *Reconciler) reconcile(ctx context.Context, s *scope) (_ ctrl.Result, reterr error) {
	saver, err := phases.NewSaver(r.Client, r.Recorder, s.infra, owned)
	if err != nil {
		return ctrl.Result{}, err
	}
	// A paused cluster has no pass. NotPaused is written together with the rest: that would take a
	// pass of its own, and Cluster API's builder allows one a second. Phases see since when.
	conditions.Set(s.infra, metav1.Condition{
		Type: clusterv1.PausedCondition, Status: metav1.ConditionFalse, Reason: clusterv1.NotPausedReason,
	})
	before := s.infra.DeepCopy()
	defer func() {
		if apierrors.IsConflict(reterr) {
			// The phases saw an old copy and did not get to the end: what they left is no state to
			// tell of.
			return
		}
		if !isAPIError(reterr) {
			updateStatus(s)
		}
		reterr = saver.Save(ctx, s, reterr)
		r.announceAccounts(s.infra, before)
	}()
	todo := r.normalPhases()
	if s.deleting() {
		todo = r.deletePhases()
	}
	if err := phases.Run(ctx, s, todo); err != nil || s.removed {
		return ctrl.Result{}, err
	}
	s.requeue()
	return s.Result(), nil
}

// normalPhases are those of a cluster that is to exist.
func (r *Reconciler) normalPhases() []phases.Phase[*scope] {
	return []phases.Phase[*scope]{
		{Name: "select endpoint", Condition: infrav1.EndpointReadyCondition, Run: r.selectEndpoint},
		{Name: "find machines", Condition: infrav1.AccountsReadyCondition, Run: r.findMachines},
		{Name: "find accounts", Condition: infrav1.AccountsReadyCondition, Run: r.findAccounts},
		{Name: "find tailnet", Condition: infrav1.TailnetReadyCondition, Independent: true, Run: r.findTailnet},
		{Name: "record accounts", Condition: infrav1.NetworkReadyCondition, Run: r.recordAccounts},
		{Name: "ensure networks", Condition: infrav1.NetworkReadyCondition, Run: r.ensureNetworks},
		{Name: "leave accounts", Condition: infrav1.NetworkReadyCondition, Run: r.leaveAccounts},
		{Name: "compare ranges", Condition: infrav1.RangesDistinctCondition, Run: r.comparer().compareRanges},
		{Name: "ensure endpoint", Condition: infrav1.EndpointReadyCondition, Independent: true, Run: r.ensureEndpoint},
		{Name: "provision", Condition: infrav1.EndpointReadyCondition, Run: provision},
		{Name: "list failure domains", Condition: infrav1.AccountsReadyCondition, Run: listFailureDomains},
	}
}

// deletePhases are those of a cluster that is being deleted.
func (r *Reconciler) deletePhases() []phases.Phase[*scope] {
	const deleting = infrav1.DeletingCondition
	return []phases.Phase[*scope]{
		{Name: "find machines", Condition: deleting, Run: r.findMachines},
		{Name: "wait for machines", Condition: deleting, Run: r.waitForMachines},
		{Name: "select endpoint", Condition: deleting, Run: r.selectEndpoint},
		{Name: "remove endpoint", Condition: deleting, Run: removeEndpoint},
		{Name: "remove networks", Condition: deleting, Run: r.removeNetworks},
		{Name: "release endpoint", Condition: deleting, Run: releaseEndpoint},
		{Name: "remove finalizer", Condition: deleting, Run: r.removeFinalizer},
	}
}

// isAPIError tells whether an error is the API server's. The phases did not see everything then, so
// that conditions and rows stay as they are until the next try.
func isAPIError(err error) bool {
	var status apierrors.APIStatus
	return errors.As(err, &status)
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
