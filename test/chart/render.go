// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "sigs.k8s.io/cluster-api/util/yaml"
)

// Release is a chart's installation in a cluster.
type Release struct {
	Name, Namespace string
	// KubernetesVersion is the cluster's, such as v1.37.1.
	KubernetesVersion string
	Values            map[string]any
}

// Load reads a chart from its folder.
func Load(folder string) (*chart.Chart, error) { return loader.LoadDir(folder) }

// Render is what Helm would install, in Helm's order and without hooks. Values are validated by the
// chart's schema.
func Render(c *chart.Chart, release Release) ([]unstructured.Unstructured, error) {
	version, err := chartutil.ParseKubeVersion(release.KubernetesVersion)
	if err != nil {
		return nil, err
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = *version
	options := chartutil.ReleaseOptions{Name: release.Name, Namespace: release.Namespace, Revision: 1, IsInstall: true}
	values, err := chartutil.ToRenderValues(c, release.Values, options, capabilities)
	if err != nil {
		return nil, err
	}
	files, err := engine.Render(c, values)
	if err != nil {
		return nil, err
	}
	for name := range files {
		if base := path.Base(name); base == "NOTES.txt" || strings.HasPrefix(base, "_") {
			delete(files, name)
		}
	}
	_, manifests, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		return nil, err
	}
	var objects []unstructured.Unstructured
	for _, manifest := range manifests {
		read, err := utilyaml.ToUnstructured([]byte(manifest.Content))
		if err != nil {
			return nil, fmt.Errorf("read what %s renders: %w", manifest.Name, err)
		}
		objects = append(objects, read...)
	}
	return slices.Clip(objects), nil
}
