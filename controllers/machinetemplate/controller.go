// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package machinetemplate fills in what the cluster autoscaler needs to scale from zero: how large
// a node of a template would be. It may import api, cloud/*, controllers/access and Cluster API's
// util packages.
package machinetemplate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kerrors "k8s.io/apimachinery/pkg/util/errors"
	"sigs.k8s.io/cluster-api/util/annotations"
	"sigs.k8s.io/cluster-api/util/conditions"
	capicontrollerutil "sigs.k8s.io/cluster-api/util/controller"
	"sigs.k8s.io/cluster-api/util/labels"
	"sigs.k8s.io/cluster-api/util/patch"
	"sigs.k8s.io/cluster-api/util/predicates"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
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

// SetupWithManager adds the controller to the manager. Templates whose capacity is not known are
// looked at when an account changes.
func (r *Reconciler) SetupWithManager(ctx context.Context, mgr manager.Manager, options controller.Options) error {
	log := ctrl.LoggerFrom(ctx).WithValues("controller", "ocimeshmachinetemplate")
	return capicontrollerutil.NewControllerManagedBy(mgr, log).
		For(&infrav1.OCIMeshMachineTemplate{}).
		WithOptions(options).
		WithEventFilter(predicates.ResourceHasFilterLabel(mgr.GetScheme(), log, r.WatchFilterValue)).
		Watches(&infrav1.OCIAccount{}, handler.EnqueueRequestsFromMapFunc(r.unknown)).
		Complete(ctx, r)
}

// unknown are the templates whose capacity is not known.
func (r *Reconciler) unknown(ctx context.Context, _ client.Object) []reconcile.Request {
	templates := &infrav1.OCIMeshMachineTemplateList{}
	if err := r.Client.List(ctx, templates); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Cannot list the templates to reconcile")
		return nil
	}
	var requests []reconcile.Request
	for i := range templates.Items {
		if len(templates.Items[i].Status.Capacity) == 0 {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&templates.Items[i])})
		}
	}
	return requests
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

// find asks the accounts that machines of the template may be in for the shape, until one knows it.
func (r *Reconciler) find(ctx context.Context, template *infrav1.OCIMeshMachineTemplate, name string) (oci.Shape, error) {
	accounts, err := r.inReach(ctx, template)
	if err != nil {
		return oci.Shape{}, err
	}
	if len(accounts) == 0 {
		return oci.Shape{}, access.NewProblem(infrav1.NoAccountReason,
			"no ready OCIAccount allows namespace %s and fits spec.template.spec.accounts, so that nobody can say how large shape %s is: make one ready",
			template.Namespace, name)
	}
	var silent error
	for i := range accounts {
		shapes, err := r.shapes(ctx, &accounts[i])
		if err != nil {
			silent = fmt.Errorf("account %s: %w", accounts[i].Name, err)
			continue
		}
		if at := slices.IndexFunc(shapes, func(shape oci.Shape) bool { return shape.Name == name }); at >= 0 {
			return shapes[at], nil
		}
	}
	if silent != nil {
		return oci.Shape{}, silent
	}
	return oci.Shape{}, access.NewProblem(infrav1.ShapeUnknownReason,
		"none of the accounts knows shape %s: use a shape of their regions in a new template", name)
}

func (r *Reconciler) shapes(ctx context.Context, account *infrav1.OCIAccount) ([]oci.Shape, error) {
	c, err := r.Access.OCI(ctx, account)
	if err != nil {
		return nil, err
	}
	return c.Shapes(oci.Patient(ctx), "")
}

// inReach lists the ready accounts that machines of the template may be in, by name.
func (r *Reconciler) inReach(ctx context.Context, template *infrav1.OCIMeshMachineTemplate) ([]infrav1.OCIAccount, error) {
	all := &infrav1.OCIAccountList{}
	selection := template.Spec.Template.Spec.Accounts
	var options []client.ListOption
	if selection.Selector != nil {
		selector, err := metav1.LabelSelectorAsSelector(selection.Selector)
		if err != nil {
			return nil, access.NewProblem(infrav1.NoAccountReason, "spec.template.spec.accounts.selector is malformed: %s", err)
		}
		options = append(options, client.MatchingLabelsSelector{Selector: selector})
	}
	if err := r.Client.List(ctx, all, options...); err != nil {
		return nil, fmt.Errorf("listing OCIAccounts: %w", err)
	}
	var reachable []infrav1.OCIAccount
	for _, account := range all.Items {
		if !conditions.IsTrue(&account, infrav1.ReadyCondition) ||
			(len(selection.Names) > 0 && !slices.Contains(selection.Names, account.Name)) {
			continue
		}
		_, err := r.Access.Account(ctx, account.Name, template.Namespace)
		var refused *access.Problem
		switch {
		case err == nil:
			reachable = append(reachable, account)
		case !errors.As(err, &refused):
			return nil, err
		}
	}
	return reachable, nil
}
