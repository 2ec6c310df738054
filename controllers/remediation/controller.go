// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package remediation repairs the machines of OCIMeshRemediations before their owners replace them.
// A MachineHealthCheck makes a request for an unhealthy Machine and deletes it once the Machine is
// healthy (Cluster API, docs/proposals/20191030-machine-health-checking.md, "External
// Remediation"). The order of the phases is in normalPhases; each phase is one file.
package remediation

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/claims"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/identity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/poller"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshremediations,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshremediations/status,verbs=patch;update
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshclusters;ocimeshmachines;ociaccounts;tailnets,verbs=get;list;watch
// +kubebuilder:rbac:groups=cluster.x-k8s.io,resources=clusters;machines,verbs=get;list;watch
// +kubebuilder:rbac:groups=cluster.x-k8s.io,resources=machines/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Options are the controller's times. Zero values stand for the defaults.
type Options struct {
	// Intervals are between two passes over a request.
	Intervals phases.Intervals
	// Clock tells the time; time.Now by default.
	Clock func() time.Time
}

// Reconciler reconciles OCIMeshRemediations.
type Reconciler struct {
	// Client reads and writes objects.
	Client client.Client
	// Access hands out clients of accounts.
	Access *access.Clients
	// Pollers are told what actions make of instances.
	Pollers *poller.Pollers
	// Claims tell what other management clusters hold; nil minds nobody's claims.
	Claims *claims.Claims
	// Recorder records events.
	Recorder events.EventRecorder
	// WatchFilterValue is the value required of objects in the label cluster.x-k8s.io/watch-filter;
	// empty means all objects.
	WatchFilterValue string
	// Options are the controller's times.
	Options Options
}

// Reconcile brings one request a step further.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (_ ctrl.Result, reterr error) {
	own := &infrav1.OCIMeshRemediation{}
	if ours, err := phases.Get(ctx, r.Client, request.NamespacedName, own, r.WatchFilterValue); err != nil || !ours {
		return ctrl.Result{}, err
	}
	s, err := r.newScope(ctx, own)
	if err != nil {
		return ctrl.Result{}, err
	}
	if added, err := identity.Ensure(ctx, r.Client, own, infrav1.OCIMeshRemediationFinalizer, nil); err != nil || added {
		return ctrl.Result{}, err
	}
	if by, err := r.pausedBy(ctx, s); err != nil {
		return ctrl.Result{}, err
	} else if by != "" {
		return ctrl.Result{}, r.pause(ctx, own, by)
	}
	if !own.DeletionTimestamp.IsZero() {
		err := phases.Run(ctx, s, r.deletePhases())
		return s.Result(), err
	}
	s.before = own.DeepCopy()
	saver, err := phases.NewSaver(r.Client, r.Recorder, own, ownedConditions)
	if err != nil {
		return ctrl.Result{}, err
	}
	defer func() {
		updateStatus(s)
		reterr = r.save(ctx, s, saver, reterr)
	}()
	err = phases.Run(ctx, s, r.normalPhases())
	return s.Result(), err
}

// save writes the status. What was tried is written only over what the pass has read: a cache may
// lag, and no try may be made twice or forgotten.
func (r *Reconciler) save(ctx context.Context, s *scope, saver *phases.Saver, passed error) error {
	if equality.Semantic.DeepEqual(s.before.Status.Attempts, s.own.Status.Attempts) {
		return saver.Save(ctx, s, passed)
	}
	err := r.Client.Status().Update(ctx, s.own)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		// The write in between brings the next pass.
		err = nil
	}
	return errors.Join(passed, err)
}

// normalPhases end with the first one that waits.
func (r *Reconciler) normalPhases() []phases.Phase[*scope] {
	const remediated = infrav1.RemediatedCondition
	return []phases.Phase[*scope]{
		{Name: "find machine", Condition: remediated, Run: r.findMachine},
		{Name: "observe instance", Condition: remediated, Run: r.observeInstance},
		{Name: "await tailnet", Condition: remediated, Run: r.awaitTailnet},
		{Name: "await members", Condition: remediated, Run: r.awaitMembers},
		{Name: "choose step", Condition: remediated, Run: r.chooseStep},
		{Name: "take step", Condition: remediated, Run: r.takeStep},
		{Name: "await replaceable", Condition: remediated, Run: r.awaitReplaceable},
		{Name: "hand over", Condition: remediated, Run: r.handOver},
	}
}

// deletePhases take back what the Machine says of the request.
func (r *Reconciler) deletePhases() []phases.Phase[*scope] {
	return []phases.Phase[*scope]{{Name: "release", Condition: infrav1.RemediatedCondition, Run: r.release}}
}

// event records a single occurrence with the Machine: the request is gone when it is healthy.
func (r *Reconciler) event(s *scope, reason, action, note string, args ...any) {
	if r.Recorder != nil {
		r.Recorder.Eventf(s.machine, s.own, corev1.EventTypeNormal, reason, action, note, args...)
	}
}
