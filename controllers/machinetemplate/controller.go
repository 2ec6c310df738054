// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package machinetemplate fills in what the cluster autoscaler needs to scale from zero: how large
// a node of a template would be. It may import api, cloud/*, controllers/access and Cluster API's
// util packages.
package machinetemplate

import (
	"context"
	"time"

	kerrors "k8s.io/apimachinery/pkg/util/errors"
	"sigs.k8s.io/cluster-api/util/annotations"
	"sigs.k8s.io/cluster-api/util/conditions"
	"sigs.k8s.io/cluster-api/util/labels"
	"sigs.k8s.io/cluster-api/util/patch"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/report"
)

// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachinetemplates,verbs=get;list;watch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ocimeshmachinetemplates/status,verbs=patch
// +kubebuilder:rbac:groups=infrastructure.cluster.x-k8s.io,resources=ociaccounts,verbs=get;list;watch

// retryInterval is how often a template whose shape nobody knows is looked at again, beside the
// watch on accounts.
const retryInterval = 5 * time.Minute

// Reconciler reconciles OCIMeshMachineTemplates.
type Reconciler struct {
	// Client reads and writes objects.
	Client client.Client
	// Access hands out clients of accounts.
	Access *access.Clients
	// WatchFilterValue is the value of the label cluster.x-k8s.io/watch-filter that objects must
	// have; empty means all.
	WatchFilterValue string
}

// Reconcile fills in the capacity of one template, once: its spec cannot change.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (_ ctrl.Result, reterr error) {
	template := &infrav1.OCIMeshMachineTemplate{}
	if err := r.Client.Get(ctx, request.NamespacedName, template); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if r.WatchFilterValue != "" && !labels.HasWatchLabel(template, r.WatchFilterValue) {
		// An account that is this manager's may be in reach of templates that are another's.
		return ctrl.Result{}, nil
	}
	if annotations.HasPaused(template) || !template.DeletionTimestamp.IsZero() ||
		conditions.IsTrue(template, infrav1.CapacityKnownCondition) && len(template.Status.Capacity) > 0 {
		return ctrl.Result{}, nil
	}
	helper, err := patch.NewHelper(template, r.Client)
	if err != nil {
		return ctrl.Result{}, err
	}
	defer func() {
		err := helper.Patch(ctx, template, patch.WithOwnedConditions{Conditions: []string{infrav1.CapacityKnownCondition}})
		reterr = kerrors.NewAggregate([]error{reterr, err})
	}()
	wanted := template.Spec.Template.Spec.Shapes[0]
	shape, err := r.find(ctx, template, wanted.Name)
	if err != nil {
		problem := access.AsProblem(err)
		conditions.Set(template, report.NotOK(infrav1.CapacityKnownCondition, problem.Reason, problem.Message))
		if problem.Reason == infrav1.InternalErrorReason {
			return ctrl.Result{}, err
		}
		return ctrl.Result{RequeueAfter: max(retryInterval, problem.RetryAfter)}, nil
	}
	template.Status.Capacity = CapacityOf(wanted, shape)
	template.Status.NodeInfo = infrav1.NodeInfo{
		Architecture: infrav1.Architecture(shape.Architecture), OperatingSystem: "linux",
	}
	conditions.Set(template, report.OK(infrav1.CapacityKnownCondition))
	return ctrl.Result{}, nil
}
