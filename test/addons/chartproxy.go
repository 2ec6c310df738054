// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package addons

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/annotations"
	"sigs.k8s.io/cluster-api/util/predicates"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/chart"
)

// chartProxies makes a HelmReleaseProxy for each Cluster that a HelmChartProxy selects.
type chartProxies struct {
	client.Client
	// reader reads control planes and infrastructure, which need no watch.
	reader client.Reader
}

func (r *chartProxies) setup(mgr ctrl.Manager) error {
	skip := true
	return ctrl.NewControllerManagedBy(mgr).
		Named("helmchartproxy").
		WithOptions(controller.Options{SkipNameValidation: &skip}).
		For(NewChartProxy()).
		WithEventFilter(predicates.ResourceNotPausedAndHasFilterLabel(mgr.GetScheme(), mgr.GetLogger(), "")).
		Watches(&clusterv1.Cluster{}, handler.EnqueueRequestsFromMapFunc(r.selecting)).
		Watches(NewReleaseProxy(), handler.EnqueueRequestsFromMapFunc(owner)).
		Complete(r)
}

// selecting are the HelmChartProxies that select a Cluster. A changed Cluster is mapped as it was
// and as it is.
func (r *chartProxies) selecting(ctx context.Context, cluster client.Object) []ctrl.Request {
	proxies := emptyList("HelmChartProxy")
	if err := r.List(ctx, proxies, client.InNamespace(cluster.GetNamespace())); err != nil {
		return nil
	}
	var requests []ctrl.Request
	for i := range proxies.Items {
		selector, err := selectorOf(&proxies.Items[i])
		if err == nil && selector.Matches(labels.Set(cluster.GetLabels())) {
			requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&proxies.Items[i])})
		}
	}
	return requests
}

func owner(_ context.Context, release client.Object) []ctrl.Request {
	ref := metav1.GetControllerOf(release)
	if ref == nil {
		return nil
	}
	return []ctrl.Request{{NamespacedName: client.ObjectKey{Namespace: release.GetNamespace(), Name: ref.Name}}}
}

func selectorOf(proxy *unstructured.Unstructured) (labels.Selector, error) {
	fields, _, err := unstructured.NestedMap(proxy.Object, "spec", "clusterSelector")
	if err != nil {
		return nil, err
	}
	selector := &metav1.LabelSelector{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, selector); err != nil {
		return nil, err
	}
	return metav1.LabelSelectorAsSelector(selector)
}

// Reconcile brings the HelmReleaseProxies of a HelmChartProxy in line with what it selects.
func (r *chartProxies) Reconcile(ctx context.Context, request ctrl.Request) (_ ctrl.Result, err error) {
	proxy := NewChartProxy()
	if err := r.Get(ctx, request.NamespacedName, proxy); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	before := proxy.DeepCopy()
	defer func() {
		summarize(proxy, SpecsUpToDate, ReleasesReady)
		err = errors.Join(err, save(ctx, r.Client, before, proxy))
	}()
	releases := emptyList("HelmReleaseProxy")
	err = r.List(ctx, releases, client.InNamespace(proxy.GetNamespace()), client.MatchingLabels{ChartProxyLabel: proxy.GetName()})
	if err != nil {
		return ctrl.Result{}, err
	}
	if !proxy.GetDeletionTimestamp().IsZero() {
		return ctrl.Result{}, r.leave(ctx, proxy, releases.Items)
	}
	controllerutil.AddFinalizer(proxy, ChartProxyFinalizer)
	if err := r.install(ctx, proxy, releases.Items); err != nil {
		return ctrl.Result{}, err
	}
	mark(proxy, SpecsUpToDate, "", "")
	r.aggregate(proxy, releases.Items)
	return ctrl.Result{}, nil
}

// leave deletes all HelmReleaseProxies of a HelmChartProxy that goes; the end of each brings the
// next pass.
func (r *chartProxies) leave(ctx context.Context, proxy *unstructured.Unstructured, releases []unstructured.Unstructured) error {
	for i := range releases {
		if err := r.remove(ctx, proxy, &releases[i]); err != nil {
			return err
		}
	}
	if len(releases) == 0 {
		controllerutil.RemoveFinalizer(proxy, ChartProxyFinalizer)
	}
	return nil
}

// install deletes the HelmReleaseProxies of Clusters that are no longer selected, then makes or
// updates one for each that is.
func (r *chartProxies) install(ctx context.Context, proxy *unstructured.Unstructured, releases []unstructured.Unstructured) error {
	selector, err := selectorOf(proxy)
	if err != nil {
		return err
	}
	clusters := &clusterv1.ClusterList{}
	err = r.List(ctx, clusters, client.InNamespace(proxy.GetNamespace()), client.MatchingLabelsSelector{Selector: selector})
	if err != nil {
		return err
	}
	selected := map[string]bool{}
	for i := range clusters.Items {
		selected[clusters.Items[i].Name] = true
	}
	for i := range releases {
		if selected[text(&releases[i], "spec", "clusterRef", "name")] {
			continue
		}
		if err := r.remove(ctx, proxy, &releases[i]); err != nil {
			return err
		}
	}
	for i := range clusters.Items {
		cluster := &clusters.Items[i]
		if !cluster.DeletionTimestamp.IsZero() || annotations.IsPaused(cluster, proxy) {
			continue
		}
		if err := r.installFor(ctx, proxy, cluster, releases); err != nil {
			return err
		}
	}
	return nil
}

func (r *chartProxies) installFor(
	ctx context.Context, proxy *unstructured.Unstructured, cluster *clusterv1.Cluster, releases []unstructured.Unstructured,
) error {
	var existing *unstructured.Unstructured
	for i := range releases {
		if text(&releases[i], "spec", "clusterRef", "name") != cluster.Name {
			continue
		}
		if existing != nil {
			return errors.New("multiple HelmReleaseProxies found matching the cluster and HelmChartProxy")
		}
		existing = &releases[i]
	}
	if existing != nil && reinstall(existing, proxy) {
		if err := r.remove(ctx, proxy, existing); err != nil {
			return err
		}
		mark(proxy, SpecsUpToDate, "HelmReleaseProxyReinstalling", "preparing to reinstall on "+cluster.Name)
		return nil
	}
	values, err := r.values(ctx, proxy, cluster)
	if err != nil {
		mark(proxy, SpecsUpToDate, "ValueParsingFailed", err.Error())
		return err
	}
	if existing == nil {
		return r.Create(ctx, releaseOf(proxy, cluster, values))
	}
	version := text(proxy, "spec", "version")
	if text(existing, "spec", "version") == version && text(existing, "spec", "values") == values {
		return nil
	}
	changed := existing.DeepCopy()
	spec := changed.Object["spec"].(map[string]any)
	spec["version"], spec["values"] = version, values
	return r.Update(ctx, changed)
}

// remove deletes a HelmReleaseProxy; a refusal is told by the HelmChartProxy.
func (r *chartProxies) remove(ctx context.Context, proxy, release *unstructured.Unstructured) error {
	err := r.Delete(ctx, release)
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	err = fmt.Errorf("failed to delete helmReleaseProxy: %s: %w", release.GetName(), err)
	mark(proxy, SpecsUpToDate, DeletionFailed, err.Error())
	return err
}

// reinstall says whether what cannot be changed of a release differs.
func reinstall(release, proxy *unstructured.Unstructured) bool {
	for _, field := range []string{"chartName", "repoURL", "releaseName", "namespace"} {
		if text(release, "spec", field) != text(proxy, "spec", field) {
			return true
		}
	}
	return false
}

func releaseOf(proxy *unstructured.Unstructured, cluster *clusterv1.Cluster, values string) *unstructured.Unstructured {
	release := NewReleaseProxy()
	release.SetNamespace(proxy.GetNamespace())
	release.SetGenerateName(fmt.Sprintf("%s-%s-", text(proxy, "spec", "chartName"), cluster.Name))
	release.SetLabels(map[string]string{clusterv1.ClusterNameLabel: cluster.Name, ChartProxyLabel: proxy.GetName()})
	release.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(proxy, proxy.GroupVersionKind())})
	spec := map[string]any{
		"clusterRef": map[string]any{
			"apiVersion": clusterv1.GroupVersion.String(), "kind": "Cluster", "name": cluster.Name, "namespace": cluster.Namespace,
		},
		"values": values,
	}
	from := proxy.Object["spec"].(map[string]any)
	for _, field := range []string{"chartName", "repoURL", "releaseName", "namespace", "version", "reconcileStrategy", "options"} {
		if value, found := from[field]; found {
			spec[field] = runtime.DeepCopyJSONValue(value)
		}
	}
	release.Object["spec"] = spec
	return release
}

// values fills in the template of values with the Cluster, its control plane and its
// infrastructure.
func (r *chartProxies) values(ctx context.Context, proxy *unstructured.Unstructured, cluster *clusterv1.Cluster) (string, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(cluster)
	if err != nil {
		return "", err
	}
	objects := chart.Objects{Cluster: fields}
	for _, referred := range []struct {
		ref  clusterv1.ContractVersionedObjectReference
		into *map[string]any
	}{{cluster.Spec.ControlPlaneRef, &objects.ControlPlane}, {cluster.Spec.InfrastructureRef, &objects.InfraCluster}} {
		if !referred.ref.IsDefined() {
			continue
		}
		mapping, err := r.RESTMapper().RESTMapping(schema.GroupKind{Group: referred.ref.APIGroup, Kind: referred.ref.Kind})
		if err != nil {
			return "", err
		}
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(mapping.GroupVersionKind)
		if err := r.reader.Get(ctx, client.ObjectKey{Namespace: cluster.Namespace, Name: referred.ref.Name}, object); err != nil {
			return "", err
		}
		*referred.into = object.Object
	}
	return chart.Expand(text(proxy, "spec", "valuesTemplate"), objects)
}

// aggregate is Ready of all HelmReleaseProxies, and True without any.
func (r *chartProxies) aggregate(proxy *unstructured.Unstructured, releases []unstructured.Unstructured) {
	for i := range releases {
		ready := meta.FindStatusCondition(Conditions(&releases[i]), Ready)
		if ready == nil || ready.Status != metav1.ConditionTrue {
			message := "not yet reported"
			if ready != nil {
				message = ready.Message
			}
			mark(proxy, ReleasesReady, "NotReady", releases[i].GetName()+": "+message)
			return
		}
	}
	mark(proxy, ReleasesReady, "", "")
}
