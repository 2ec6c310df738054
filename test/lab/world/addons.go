// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/go-logr/logr/funcr"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/addons"
	ourchart "github.com/ocimesh/cluster-api-provider-ocimesh/test/chart"
)

// addonsLog names the log of the stand-in for the Helm add-on provider.
const addonsLog = "addons"

// startAddons runs the stand-in for the Helm add-on provider: Cilium comes into a cluster by the
// HelmChartProxy that clusterctl has generated for it.
func (w *World) startAddons(ctx context.Context) error {
	scheme := runtime.NewScheme()
	err := errors.Join(clientgoscheme.AddToScheme(scheme), clusterv1.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme))
	if err != nil {
		return fmt.Errorf("set up the add-on provider's types: %w", err)
	}
	if err := w.installAddonCRDs(ctx, scheme); err != nil {
		return err
	}
	log, err := os.Create(w.Log(addonsLog))
	if err != nil {
		return fmt.Errorf("keep the add-on provider's log: %w", err)
	}
	mgr, err := ctrl.NewManager(w.Management.Config, ctrl.Options{
		Scheme: scheme, Metrics: server.Options{BindAddress: "0"},
		Logger: funcr.New(func(prefix, line string) { fmt.Fprintln(log, prefix, line) }, funcr.Options{LogTimestamp: true}),
	})
	if err == nil {
		err = addons.SetupWithManager(mgr, w.chart)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("set up the add-on provider: %w", err), log.Close())
	}
	// It ends with the World, not with the call that starts it.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(running) }()
	w.onClose(func() error {
		stop()
		return errors.Join(<-ended, log.Close())
	})
	return nil
}

// installAddonCRDs installs those of the add-on provider's CRDs that the management cluster lacks.
func (w *World) installAddonCRDs(ctx context.Context, scheme *runtime.Scheme) error {
	c, err := client.New(w.Management.Config, client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("make a client of the management cluster: %w", err)
	}
	crds := addons.CRDs()
	for _, crd := range crds {
		if err := c.Create(ctx, crd.DeepCopy()); client.IgnoreAlreadyExists(err) != nil {
			return fmt.Errorf("install the add-on provider's CRDs: %w", err)
		}
	}
	return envtest.WaitForCRDs(w.Management.Config, crds, envtest.CRDInstallOptions{MaxTime: startTimeout})
}

// chart is Cilium's with the lab's values in place of its own, whatever repository has it for
// users. Values of the HelmChartProxy come before both. The version is what was asked for: one is
// built, and an upgrade is an upgrade by its number.
func (w *World) chart(repoURL, name, version string) (*chart.Chart, error) {
	if name != "cilium" {
		return nil, fmt.Errorf("%s has no chart %s here: the lab has Cilium's alone", repoURL, name)
	}
	loaded, err := ourchart.Load(w.Programs.Assets.CiliumChart)
	if err != nil {
		return nil, err
	}
	loaded.Metadata.Version = version
	values, err := labValues(loaded.Values)
	if err != nil {
		return nil, err
	}
	loaded.Values = chartutil.CoalesceTables(values, loaded.Values)
	return loaded, nil
}

// labValues are all values in which the lab's Cilium differs from users', made of the chart's own.
func labValues(own chartutil.Values) (map[string]any, error) {
	lists := map[string]any{}
	// Hosts of the lab may lack CAP_SYS_RESOURCE, so that no container gets it; from kernel 5.11 on
	// maps need no resource limits. "privileged: true" would not do: the chart then leaves out the
	// init container that mounts /sys/fs/bpf on the node, and a node's maps die with its agent.
	for _, container := range []string{"ciliumAgent", "cleanCiliumState"} {
		list, err := own.PathValue("securityContext.capabilities." + container)
		if err != nil {
			return nil, fmt.Errorf("read the capabilities of %s in Cilium's chart: %w", container, err)
		}
		capabilities, ok := list.([]any)
		if !ok {
			return nil, fmt.Errorf("the capabilities of %s in Cilium's chart are no list", container)
		}
		lists[container] = slices.DeleteFunc(slices.Clone(capabilities), func(c any) bool { return c == "SYS_RESOURCE" })
	}
	return map[string]any{
		"securityContext": map[string]any{"capabilities": lists},
		// Envoy is C++ and not on the Go module proxy; agents would log its absence as an error.
		"disableEnvoyVersionCheck": true,
	}, nil
}
