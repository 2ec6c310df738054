// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package addons

import (
	"context"
	"errors"
	"fmt"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"
)

// Charts finds a chart where a HelmChartProxy says that it is.
type Charts func(repoURL, name, version string) (*chart.Chart, error)

// helmRelease is the release of a HelmReleaseProxy in its cluster.
type helmRelease struct {
	charts                                       Charts
	helm                                         *action.Configuration
	repoURL, chartName, version, name, namespace string
	values                                       map[string]any
	timeout                                      time.Duration
}

func newRelease(config *rest.Config, charts Charts, proxy *unstructured.Unstructured) (*helmRelease, error) {
	r := &helmRelease{
		charts: charts, helm: new(action.Configuration),
		repoURL: text(proxy, "spec", "repoURL"), chartName: text(proxy, "spec", "chartName"), version: text(proxy, "spec", "version"),
		name: text(proxy, "spec", "releaseName"), namespace: text(proxy, "spec", "namespace"), timeout: 10 * time.Minute,
	}
	if r.namespace == "" {
		r.namespace = "default"
	}
	if timeout := text(proxy, "spec", "options", "timeout"); timeout != "" {
		var err error
		if r.timeout, err = time.ParseDuration(timeout); err != nil {
			return nil, err
		}
	}
	values, err := chartutil.ReadValues([]byte(text(proxy, "spec", "values")))
	if err != nil {
		return nil, err
	}
	r.values = values
	silent := func(string, ...any) {}
	return r, r.helm.Init(&getter{config: config, namespace: r.namespace}, r.namespace, "secret", silent)
}

// apply installs the release if there is none, and upgrades it if version or values differ or the
// last try has failed. The chart's source is asked in any case.
func (r *helmRelease) apply(ctx context.Context) (*release.Release, error) {
	existing, err := action.NewGet(r.helm).Run(r.name)
	if err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
		return nil, err
	}
	wanted, loadErr := r.charts(r.repoURL, r.chartName, r.version)
	if loadErr != nil {
		return nil, fmt.Errorf("get chart %s %s of %s: %w", r.chartName, r.version, r.repoURL, loadErr)
	}
	if err != nil {
		install := action.NewInstall(r.helm)
		install.ReleaseName, install.Namespace, install.CreateNamespace, install.Timeout = r.name, r.namespace, true, r.timeout
		return install.RunWithContext(ctx, wanted, r.values)
	}
	if existing.Info.Status.IsPending() {
		// Whoever worked on it has ended.
		existing.Info.Status = release.StatusFailed
		if err := r.helm.Releases.Update(existing); err != nil {
			return nil, err
		}
	}
	same, err := equal(existing.Config, r.values)
	if err != nil {
		return nil, err
	}
	if same && existing.Chart.Metadata.Version == wanted.Metadata.Version && existing.Info.Status != release.StatusFailed {
		return existing, nil
	}
	upgrade := action.NewUpgrade(r.helm)
	upgrade.Namespace, upgrade.MaxHistory, upgrade.Timeout = r.namespace, 10, r.timeout
	return upgrade.RunWithContext(ctx, r.name, wanted, r.values)
}

func (r *helmRelease) uninstall() error {
	if _, err := action.NewGet(r.helm).Run(r.name); err != nil {
		return err
	}
	uninstall := action.NewUninstall(r.helm)
	uninstall.Timeout = r.timeout
	_, err := uninstall.Run(r.name)
	return err
}

// equal compares values as they are stored, where whole numbers come back as floats.
func equal(a, b map[string]any) (bool, error) {
	left, err := yaml.Marshal(a)
	if err != nil {
		return false, err
	}
	right, err := yaml.Marshal(b)
	if err != nil {
		return false, err
	}
	return string(left) == string(right), nil
}

// getter gives Helm a cluster by a configuration, without files of kubectl's.
type getter struct {
	config    *rest.Config
	namespace string
}

func (g *getter) ToRESTConfig() (*rest.Config, error) { return rest.CopyConfig(g.config), nil }

func (g *getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	found, err := discovery.NewDiscoveryClientForConfig(g.config)
	if err != nil {
		return nil, err
	}
	return memory.NewMemCacheClient(found), nil
}

func (g *getter) ToRESTMapper() (meta.RESTMapper, error) {
	found, err := g.ToDiscoveryClient()
	if err != nil {
		return nil, err
	}
	return restmapper.NewDeferredDiscoveryRESTMapper(found), nil
}

func (g *getter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	overrides := &clientcmd.ConfigOverrides{Context: clientcmdapi.Context{Namespace: g.namespace}}
	return clientcmd.NewDefaultClientConfig(*clientcmdapi.NewConfig(), overrides)
}
