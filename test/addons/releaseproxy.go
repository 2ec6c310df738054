// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package addons

import (
	"context"
	"errors"
	"fmt"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	"sigs.k8s.io/cluster-api/util/predicates"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
)

// releaseProxies installs, upgrades and uninstalls the release of a HelmReleaseProxy.
type releaseProxies struct {
	client.Client
	// reader reads kubeconfigs, which need no watch.
	reader client.Reader
	charts Charts
}

func (r *releaseProxies) setup(mgr ctrl.Manager) error {
	skip := true
	scheme, log := mgr.GetScheme(), mgr.GetLogger()
	return ctrl.NewControllerManagedBy(mgr).
		Named("helmreleaseproxy").
		WithOptions(controller.Options{SkipNameValidation: &skip}).
		For(NewReleaseProxy()).
		WithEventFilter(predicates.ResourceNotPausedAndHasFilterLabel(scheme, log, "")).
		Watches(&clusterv1.Cluster{}, handler.EnqueueRequestsFromMapFunc(r.of), builder.WithPredicates(
			predicates.Any(scheme, log, predicates.ClusterUnpaused(scheme, log), predicates.ClusterControlPlaneInitialized(scheme, log)),
		)).
		Complete(r)
}

// of are the HelmReleaseProxies of a Cluster.
func (r *releaseProxies) of(ctx context.Context, cluster client.Object) []ctrl.Request {
	releases := emptyList("HelmReleaseProxy")
	selector := client.MatchingLabels{clusterv1.ClusterNameLabel: cluster.GetName()}
	if err := r.List(ctx, releases, client.InNamespace(cluster.GetNamespace()), selector); err != nil {
		return nil
	}
	requests := make([]ctrl.Request, 0, len(releases.Items))
	for i := range releases.Items {
		requests = append(requests, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(&releases.Items[i])})
	}
	return requests
}

// Reconcile brings a release in line with its HelmReleaseProxy.
func (r *releaseProxies) Reconcile(ctx context.Context, request ctrl.Request) (_ ctrl.Result, err error) {
	proxy := NewReleaseProxy()
	if err := r.Get(ctx, request.NamespacedName, proxy); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	before := proxy.DeepCopy()
	defer func() {
		summarize(proxy, ClusterAvailable, ReleaseReady)
		err = errors.Join(err, save(ctx, r.Client, before, proxy))
	}()
	if proxy.GetDeletionTimestamp().IsZero() && controllerutil.AddFinalizer(proxy, ReleaseProxyFinalizer) {
		// The finalizer comes before anything is installed; its event brings the next pass.
		mark(proxy, ReleaseReady, "PreparingToHelmInstall", "preparing to install the chart")
		return ctrl.Result{}, nil
	}
	cluster := &clusterv1.Cluster{}
	key := client.ObjectKey{Namespace: text(proxy, "spec", "clusterRef", "namespace"), Name: text(proxy, "spec", "clusterRef", "name")}
	err = r.Get(ctx, key, cluster)
	switch {
	case apierrors.IsNotFound(err) && !proxy.GetDeletionTimestamp().IsZero():
		// Nothing is left to uninstall from.
		controllerutil.RemoveFinalizer(proxy, ReleaseProxyFinalizer)
		return ctrl.Result{}, nil
	case err != nil:
		mark(proxy, ClusterAvailable, "GetClusterFailed", err.Error())
		return ctrl.Result{}, err
	}
	initialized := cluster.Status.Initialization.ControlPlaneInitialized
	if proxy.GetDeletionTimestamp().IsZero() && initialized != nil && !*initialized {
		mark(proxy, ClusterAvailable, "ControlPlaneNotAvailable", "")
		return ctrl.Result{}, nil
	}
	config, err := r.config(ctx, key)
	if err != nil {
		mark(proxy, ClusterAvailable, "GetKubeconfigFailed", err.Error())
		return ctrl.Result{}, err
	}
	mark(proxy, ClusterAvailable, "", "")
	chosen, err := newRelease(config, r.charts, proxy)
	if err != nil {
		return ctrl.Result{}, err
	}
	if !proxy.GetDeletionTimestamp().IsZero() {
		return ctrl.Result{}, r.uninstall(proxy, chosen)
	}
	return ctrl.Result{}, r.apply(ctx, proxy, chosen)
}

// config is the way to a cluster's API server, by the Secret that its control plane provider makes.
func (r *releaseProxies) config(ctx context.Context, cluster client.ObjectKey) (*rest.Config, error) {
	secret := &corev1.Secret{}
	if err := r.reader.Get(ctx, client.ObjectKey{Namespace: cluster.Namespace, Name: cluster.Name + "-kubeconfig"}, secret); err != nil {
		return nil, fmt.Errorf("failed to get kubeconfig for cluster: %w", err)
	}
	return clientcmd.RESTConfigFromKubeConfig(secret.Data["value"])
}

// apply installs or upgrades, and tells what Helm says of the release, whoever works on it.
func (r *releaseProxies) apply(ctx context.Context, proxy *unstructured.Unstructured, chosen *helmRelease) error {
	found, err := chosen.apply(ctx)
	if err != nil {
		mark(proxy, ReleaseReady, InstallOrUpgradeFailed, err.Error())
	}
	if found == nil {
		return err
	}
	status := proxy.Object["status"].(map[string]any)
	status["status"], status["revision"] = found.Info.Status.String(), int64(found.Version)
	switch {
	case found.Info.Status == release.StatusDeployed:
		mark(proxy, ReleaseReady, "", "")
	case found.Info.Status.IsPending():
		mark(proxy, ReleaseReady, "HelmReleasePending", "the release is pending")
	case found.Info.Status == release.StatusFailed && err == nil:
		mark(proxy, ReleaseReady, InstallOrUpgradeFailed, "the release has failed")
	}
	return err
}

func (r *releaseProxies) uninstall(proxy *unstructured.Unstructured, chosen *helmRelease) error {
	// Installed once means left alone from then on.
	if text(proxy, "spec", "reconcileStrategy") != "InstallOnce" {
		if err := chosen.uninstall(); err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
			mark(proxy, ReleaseReady, "HelmReleaseDeletionFailed", err.Error())
			return err
		}
	}
	mark(proxy, ReleaseReady, "HelmReleaseDeleted", "")
	controllerutil.RemoveFinalizer(proxy, ReleaseProxyFinalizer)
	return nil
}
