// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package addons stands in for the Helm add-on provider, whose module is not on the Go module
// proxy: HelmChartProxy, then HelmReleaseProxy, then a release by Helm's own library. It follows
// cluster-api-addon-provider-helm at 8c58141, and what was seen of it at work:
//
//   - A HelmReleaseProxy is made for each Cluster that the selector matches. It is deleted, and its
//     release uninstalled, when the Cluster no longer matches, when the HelmChartProxy goes, and
//     when its chart, source, release name or namespace changes
//     (controllers/helmchartproxy/helmchartproxy_controller_phases.go).
//   - The chart's source is asked at every reconcile, also when nothing is to be done.
//   - A release that another HelmReleaseProxy is uninstalling counts as up to date if version and
//     values agree (internal/helm_client.go, UpgradeHelmReleaseIfChanged).
//   - Ready means that Helm has applied the chart, not that anything runs.
//
// Left out: credentials, TLS, generated release names, and the options that no template of ours
// sets.
package addons

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
)

// Names that the add-on provider gives (api/v1alpha1/helmreleaseproxy_types.go).
const (
	ChartProxyLabel       = "helmreleaseproxy.addons.cluster.x-k8s.io/helmchartproxy-name"
	ChartProxyFinalizer   = "helmchartproxy.addons.cluster.x-k8s.io"
	ReleaseProxyFinalizer = "helmreleaseproxy.addons.cluster.x-k8s.io"
)

// GroupVersion is of both kinds.
var GroupVersion = schema.GroupVersion{Group: "addons.cluster.x-k8s.io", Version: "v1alpha1"}

// NewChartProxy is an empty HelmChartProxy.
func NewChartProxy() *unstructured.Unstructured { return empty("HelmChartProxy") }

// NewReleaseProxy is an empty HelmReleaseProxy.
func NewReleaseProxy() *unstructured.Unstructured { return empty("HelmReleaseProxy") }

func empty(kind string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(GroupVersion.WithKind(kind))
	return object
}

func emptyList(kind string) *unstructured.UnstructuredList {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(GroupVersion.WithKind(kind + "List"))
	return list
}

// SetupWithManager starts the stand-in with a manager whose scheme has core's and Cluster API's
// types. Its cache's sync period is the add-on provider's, 10 minutes unless a flag says otherwise.
func SetupWithManager(mgr ctrl.Manager, charts Charts) error {
	if err := (&chartProxies{Client: mgr.GetClient(), reader: mgr.GetAPIReader()}).setup(mgr); err != nil {
		return err
	}
	return (&releaseProxies{Client: mgr.GetClient(), reader: mgr.GetAPIReader(), charts: charts}).setup(mgr)
}

// text is a string field of an object, empty if there is none.
func text(object *unstructured.Unstructured, path ...string) string {
	value, _, _ := unstructured.NestedString(object.Object, path...)
	return value
}
