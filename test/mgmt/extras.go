// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package mgmt

import (
	"context"
	"embed"
	"fmt"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	clusterctlv1 "sigs.k8s.io/cluster-api/cmd/clusterctl/api/v1alpha3"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

//go:embed crds
var standIns embed.FS

// installExtras installs the additions of `clusterctl init` to the managers: the providers'
// namespaces, clusterctl's inventory of them, and the CRDs of the add-on provider.
func installExtras(ctx context.Context, config *rest.Config, o Options, managers []*manager) error {
	capi, err := moduleDir(ctx, o.Root, capiModule)
	if err != nil {
		return err
	}
	install := envtest.CRDInstallOptions{
		ErrorIfPathMissing: true, MaxTime: controlTimeout,
		Paths: []string{filepath.Join(capi, "cmd/clusterctl/config/manifest/clusterctl-api.yaml")},
	}
	if o.CAAPHCRDs != "" {
		install.Paths = append(install.Paths, o.CAAPHCRDs)
	} else if install.CRDs, err = standInCRDs(); err != nil {
		return err
	}
	if _, err := envtest.InstallCRDs(config, install); err != nil {
		return fmt.Errorf("install the CRDs of clusterctl and the add-on provider: %w", err)
	}
	return createInventory(ctx, config, managers)
}

func standInCRDs() ([]*apiextensionsv1.CustomResourceDefinition, error) {
	data, err := standIns.ReadFile("crds/helmchartproxies.yaml")
	if err != nil {
		return nil, fmt.Errorf("read the stand-in for HelmChartProxy: %w", err)
	}
	m, err := parseManifests(data)
	if err != nil {
		return nil, fmt.Errorf("read the stand-in for HelmChartProxy: %w", err)
	}
	return m.crds, nil
}

func createInventory(ctx context.Context, config *rest.Config, managers []*manager) error {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, clusterctlv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("set up clusterctl's types: %w", err)
		}
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("make a client of the management cluster: %w", err)
	}
	for _, m := range managers {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: m.namespace}}
		provider := &clusterctlv1.Provider{
			ObjectMeta: metav1.ObjectMeta{Namespace: m.namespace, Name: m.name, Labels: map[string]string{
				clusterctlv1.ClusterctlLabel: "", "cluster.x-k8s.io/provider": m.name,
				clusterctlv1.ClusterctlCoreLabel: clusterctlv1.ClusterctlCoreLabelInventoryValue,
			}},
			ProviderName: providerName(m.name), Type: m.kind, Version: m.version,
		}
		for _, object := range []client.Object{namespace, provider} {
			if err := c.Create(ctx, object); err != nil {
				return fmt.Errorf("create %T %s: %w", object, object.GetName(), err)
			}
		}
	}
	return nil
}

// providerName is the manifest label without its prefix for the type.
func providerName(label string) string {
	for _, prefix := range []string{"bootstrap-", "control-plane-", "infrastructure-"} {
		if name, ok := strings.CutPrefix(label, prefix); ok {
			return name
		}
	}
	return label
}
