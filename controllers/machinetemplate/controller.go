// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package machinetemplate fills in what the cluster autoscaler needs to scale from zero: how large
// a node of a template would be. The order of the phases is in normalPhases; each phase is one
// file.
package machinetemplate

import (
	"context"
	"time"

	"sigs.k8s.io/cluster-api/util/annotations"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachinetemplates,verbs=get;list;watch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachinetemplates/status,verbs=patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ociaccounts,verbs=get;list;watch

// Options are the controller's times. Zero values stand for the defaults.
type Options struct {
	// Intervals are between two passes over a template whose capacity is not known: 5 minutes by
	// default while somebody has to do something, beside the watch on accounts.
	Intervals phases.Intervals
}

func (o Options) withDefaults() Options {
	if o.Intervals.Poll <= 0 {
		o.Intervals.Poll = 5 * time.Minute
	}
	o.Intervals = o.Intervals.WithDefaults()
	if o.Intervals.Least <= 0 {
		// A pass asks all accounts.
		o.Intervals.Least = o.Intervals.Retry
	}
	return o
}

// Reconciler reconciles OCIMeshMachineTemplates.
type Reconciler struct {
	// Client reads and writes objects.
	Client client.Client
	// Access hands out clients of accounts.
	Access *access.Clients
	// WatchFilterValue is the value of the label cluster.x-k8s.io/watch-filter that objects must
	// have; empty means all.
	WatchFilterValue string
	// Options are the controller's times.
	Options Options
}

// Reconcile fills in the capacity of one template, once: its spec cannot change.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (_ ctrl.Result, reterr error) {
	template := &infrav1.OCIMeshMachineTemplate{}
	if ours, err := phases.Get(ctx, r.Client, request.NamespacedName, template, r.WatchFilterValue); err != nil || !ours {
		return ctrl.Result{}, err
	}
	if annotations.HasPaused(template) || !template.DeletionTimestamp.IsZero() || isKnown(template) {
		return ctrl.Result{}, nil
	}
	s := &scope{Pass: phases.Pass{Intervals: r.Options.withDefaults().Intervals}, template: template}
	saver, err := phases.NewSaver(r.Client, nil, template, ownedConditions)
	if err != nil {
		return ctrl.Result{}, err
	}
	defer func() {
		updateStatus(s)
		reterr = saver.Save(ctx, s, reterr)
	}()
	err = phases.Run(ctx, s, r.normalPhases())
	return s.Result(), err
}

// normalPhases have no counterpart: nothing is made for a template.
func (r *Reconciler) normalPhases() []phases.Phase[*scope] {
	const known = infrav1.CapacityKnownCondition
	return []phases.Phase[*scope]{
		{Name: "find accounts", Condition: known, Run: r.findAccounts},
		{Name: "find shape", Condition: known, Run: r.findShape},
		{Name: "capacity", Condition: known, Run: r.capacity},
	}
}
