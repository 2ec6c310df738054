// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	helmchart "helm.sh/helm/v3/pkg/chart"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ports"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/addons"
)

// addonPatience is how long the stand-in for the add-on provider may take.
const addonPatience = 60 * time.Second

// ciliumLabel is the label by which the templates' HelmChartProxies select Clusters.
const ciliumLabel = "infrastructure.cluster.x-k8s.io/cilium"

// addonWorld is a namespace of the management cluster with what `clusterctl generate cluster`
// makes, the stand-in for the add-on provider, and the API server of the cluster that it installs
// Cilium in.
type addonWorld struct {
	namespace string
	workload  client.Client
	// unreachable says that no chart can be had.
	unreachable atomic.Bool
}

// newAddonWorld applies the default flavor. Nothing is installed before initialize.
func newAddonWorld(t *testing.T) *addonWorld {
	t.Helper()
	w := &addonWorld{namespace: apply(t, generate(t, ""))}
	w.startProvider(t)
	return w
}

func (w *addonWorld) startProvider(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	scheme := runtime.NewScheme()
	g.Expect(errors.Join(clientgoscheme.AddToScheme(scheme), clusterv1.AddToScheme(scheme))).To(Succeed())
	// The add-on provider's own sync period is ten minutes.
	period := 2 * time.Second
	mgr, err := ctrl.NewManager(apiConfig, ctrl.Options{
		Scheme: scheme, Metrics: server.Options{BindAddress: "0"},
		Cache: ctrlcache.Options{SyncPeriod: &period, DefaultNamespaces: map[string]ctrlcache.Config{w.namespace: {}}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(addons.SetupWithManager(mgr, w.chart)).To(Succeed())
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		g.Expect(<-ended).To(Succeed())
	})
}

// chart is Cilium's, by whichever source, in any version that is asked for.
func (w *addonWorld) chart(repoURL, name, version string) (*helmchart.Chart, error) {
	if w.unreachable.Load() {
		return nil, fmt.Errorf("%s does not answer", repoURL)
	}
	if name != "cilium" {
		return nil, fmt.Errorf("%s has no chart %s", repoURL, name)
	}
	module, err := ciliumModule()
	if err != nil {
		return nil, err
	}
	loaded, err := loadCilium(module.Dir)
	if err != nil {
		return nil, err
	}
	loaded.Metadata.Version = version
	return loaded, nil
}

// initialize starts the cluster's API server, gives the cluster its endpoint and its kubeconfig,
// and says that its control plane is up.
func (w *addonWorld) initialize(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	env := &envtest.Environment{}
	g.Expect(ports.ForServer(t.Context(), env)).To(Succeed())
	config, err := env.Start()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { _ = env.Stop() })
	w.workload, err = client.New(config, client.Options{})
	g.Expect(err).NotTo(HaveOccurred())
	w.patch(t, w.cluster(t), `{"spec":{"controlPlaneEndpoint":{"host":"10.250.0.1","port":6443}}}`)
	w.eventually(t, func(g Gomega) {
		releases := w.releases(t, "mesh-cilium")
		g.Expect(releases).To(HaveLen(1))
		g.Expect(releases[0].Object["spec"]).To(HaveKeyWithValue("values", ContainSubstring(`k8sServiceHost: "10.250.0.1"`)))
	})
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "mesh-kubeconfig"}}
	secret.Data = map[string][]byte{"value": env.KubeConfig}
	g.Expect(apiServer.Create(t.Context(), secret)).To(Succeed())
	status := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"initialization":{"controlPlaneInitialized":true}}}`))
	g.Expect(apiServer.Status().Patch(t.Context(), w.cluster(t), status)).To(Succeed())
}

func (w *addonWorld) cluster(t *testing.T) *unstructured.Unstructured {
	t.Helper()
	cluster := &unstructured.Unstructured{}
	cluster.SetGroupVersionKind(clusterv1.GroupVersion.WithKind("Cluster"))
	NewWithT(t).Expect(apiServer.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "mesh"}, cluster)).To(Succeed())
	return cluster
}

func (w *addonWorld) patch(t *testing.T, object client.Object, patch string) {
	t.Helper()
	NewWithT(t).Expect(w.tryPatch(t, object, patch)).To(Succeed())
}

func (w *addonWorld) tryPatch(t *testing.T, object client.Object, patch string, options ...client.PatchOption) error {
	t.Helper()
	return apiServer.Patch(t.Context(), object, client.RawPatch("application/merge-patch+json", []byte(patch)), options...)
}

func (w *addonWorld) chartProxy(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	proxy := addons.NewChartProxy()
	NewWithT(t).Expect(apiServer.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: name}, proxy)).To(Succeed())
	return proxy
}

// releases are the HelmReleaseProxies of a HelmChartProxy.
func (w *addonWorld) releases(t *testing.T, proxy string) []unstructured.Unstructured {
	t.Helper()
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(addons.GroupVersion.WithKind("HelmReleaseProxyList"))
	selector := client.MatchingLabels{addons.ChartProxyLabel: proxy}
	NewWithT(t).Expect(apiServer.List(t.Context(), list, client.InNamespace(w.namespace), selector)).To(Succeed())
	return list.Items
}

// untilDeployed waits until Helm has deployed a revision through a HelmChartProxy.
func (w *addonWorld) untilDeployed(t *testing.T, proxy string, revision int64) *unstructured.Unstructured {
	t.Helper()
	var release *unstructured.Unstructured
	w.eventually(t, func(g Gomega) {
		releases := w.releases(t, proxy)
		g.Expect(releases).To(HaveLen(1))
		release = &releases[0]
		g.Expect(release.Object["status"]).To(And(HaveKeyWithValue("status", "deployed"), HaveKeyWithValue("revision", revision)))
		g.Expect(condition(release, addons.Ready)).To(HaveField("Status", metav1.ConditionTrue))
	})
	return release
}

func (w *addonWorld) eventually(t *testing.T, check func(Gomega)) {
	t.Helper()
	NewWithT(t).Eventually(check).WithTimeout(addonPatience).WithPolling(100 * time.Millisecond).Should(Succeed())
}

// agents is the DaemonSet of Cilium's agents.
func (w *addonWorld) agents(ctx context.Context) (*appsv1.DaemonSet, error) {
	agents := &appsv1.DaemonSet{}
	return agents, w.workload.Get(ctx, client.ObjectKey{Namespace: "kube-system", Name: "cilium"}, agents)
}

func condition(object *unstructured.Unstructured, kind string) metav1.Condition {
	for _, found := range addons.Conditions(object) {
		if found.Type == kind {
			return found
		}
	}
	return metav1.Condition{}
}

// guard applies config/admission for the world's namespace.
func (w *addonWorld) guard(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	files, err := filepath.Glob(filepath.Join(root, "config/admission/keep_*.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files).NotTo(BeEmpty())
	for _, file := range files {
		content, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		for _, object := range parse(t, content) {
			if strings.HasSuffix(object.GetKind(), "Binding") {
				only := map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": w.namespace}}
				g.Expect(unstructured.SetNestedMap(object.Object, only, "spec", "matchResources", "namespaceSelector")).To(Succeed())
			}
			// kustomize and clusterctl take the kinds for namespaced (clusterctl's objs.go,
			// IsResourceNamespaced). clusterctl patches what is there.
			object.SetNamespace("capom-system")
			again := object.DeepCopy()
			g.Expect(apiServer.Create(t.Context(), &object)).To(Succeed())
			g.Expect(apiServer.Patch(t.Context(), again, client.Merge)).To(Succeed())
			t.Cleanup(func() { _ = apiServer.Delete(context.Background(), &object) })
		}
	}
}
