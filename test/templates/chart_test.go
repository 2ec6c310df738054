// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	helmchart "helm.sh/helm/v3/pkg/chart"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/chart"
)

// The oldest Kubernetes that README names, and the newest that Cluster API 1.14 makes.
const oldestKubernetes, newestKubernetes = "v1.33.0", "v1.37.1"

// ciliumModule is Cilium's module, its chart included, of the version in hack/cilium/go.mod.
var ciliumModule = sync.OnceValues(func() (module struct{ Version, Dir string }, err error) {
	download := exec.Command("go", "mod", "download", "-json", "github.com/cilium/cilium")
	download.Dir, download.Stderr = filepath.Join(root, "hack/cilium"), os.Stderr
	out, err := download.Output()
	if err != nil {
		return module, err
	}
	return module, json.Unmarshal(out, &module)
})

func ciliumChart(t *testing.T) (*helmchart.Chart, string) {
	t.Helper()
	g := NewWithT(t)
	module, err := ciliumModule()
	g.Expect(err).NotTo(HaveOccurred(), "the module proxy has Cilium's module")
	loaded, err := loadCilium(module.Dir)
	g.Expect(err).NotTo(HaveOccurred())
	return loaded, module.Version
}

func loadCilium(module string) (*helmchart.Chart, error) {
	return chart.Load(filepath.Join(module, "install/kubernetes/cilium"))
}

// installed is what the Helm add-on provider would install for the objects of a flavor.
func installed(t *testing.T, objects []unstructured.Unstructured, kubernetes string) []unstructured.Unstructured {
	t.Helper()
	loaded, version := ciliumChart(t)
	g := NewWithT(t)
	proxy := field(objects, "HelmChartProxy", "spec").(map[string]any)
	g.Expect("v"+proxy["version"].(string)).To(Equal(version), "templates/src/cilium.yaml installs the chart of hack/cilium/go.mod")
	rendered, err := chart.Render(loaded, chart.Release{
		Name: proxy["releaseName"].(string), Namespace: proxy["namespace"].(string), KubernetesVersion: kubernetes, Values: render(t, objects, 3),
	})
	g.Expect(err).NotTo(HaveOccurred())
	return rendered
}

type chartWorld struct {
	flavor    string
	variables map[string]string
	config    map[string]string
	// kinds are workloads by kind and name.
	workloads []string
}

// chartWorlds are templates with variables, and what the chart makes of them.
var chartWorlds = map[string]chartWorld{
	"VXLAN": {
		config:    map[string]string{"routing-mode": "tunnel", "tunnel-protocol": "vxlan", "underlay-protocol": "ipv4", "prometheus-serve-addr": ":9962"},
		workloads: []string{"DaemonSet cilium", "Deployment cilium-operator"},
	},
	"tailnet routes": {
		flavor: "tailnet-routes",
		config: map[string]string{
			"routing-mode": "native", "ipv4-native-routing-cidr": "10.244.0.0/16", "auto-direct-node-routes": "false",
		},
		workloads: []string{"DaemonSet cilium", "Deployment cilium-operator"},
	},
	"NodePorts on the VCN, too": {
		variables: map[string]string{"CILIUM_NODEPORT_ADDRESSES": "100.64.0.0/10,10.0.0.0/16"},
		config:    map[string]string{"nodeport-addresses": "100.64.0.0/10,10.0.0.0/16"},
		workloads: []string{"DaemonSet cilium", "Deployment cilium-operator"},
	},
	"Hubble without metrics": {
		variables: map[string]string{"CILIUM_HUBBLE": "true", "CILIUM_METRICS": "false"},
		config:    map[string]string{"enable-hubble": "true", "hubble-metrics": "dns drop tcp flow icmp http", "prometheus-serve-addr": ""},
		workloads: []string{"DaemonSet cilium", "Deployment cilium-operator", "Deployment hubble-relay", "Deployment hubble-ui"},
	},
}

// What Cilium's agents are told, by the keys of the ConfigMap cilium-config.
func TestTheChartTellsCiliumWhatTheNodesNeed(t *testing.T) {
	always := map[string]string{
		"kube-proxy-replacement": "true", "mtu": "1280", "devices": "en+ eth+ tailscale0", "direct-routing-device": "tailscale0",
		"ipam": "kubernetes", "enable-ipv4": "true", "enable-ipv6": "false", "enable-ipv4-masquerade": "true", "enable-bpf-masquerade": "false",
		// The guard of capom-guard.sh sees packets of pods only where they pass the host's rules.
		"enable-host-legacy-routing": "true",
		// The agent runs Envoy itself, once something needs it.
		"enable-l7-proxy": "true", "external-envoy-proxy": "false",
		"nodeport-addresses": "100.64.0.0/10",
		"enable-hubble":      "false", "cni-exclusive": "true",
	}
	for name, world := range chartWorlds {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			for variable, value := range world.variables {
				t.Setenv(variable, value)
			}
			objects := installed(t, generate(t, world.flavor), newestKubernetes)

			config := named(objects, "ConfigMap", "cilium-config")
			for _, wanted := range []map[string]string{always, world.config} {
				for key, value := range wanted {
					if _, special := world.config[key]; special {
						value = world.config[key]
					}
					found, _, err := unstructured.NestedString(config.Object, "data", key)
					g.Expect(err).NotTo(HaveOccurred())
					g.Expect(found).To(Equal(value), key)
				}
			}
			var workloads []string
			for _, object := range objects {
				if kind := object.GetKind(); kind == "DaemonSet" || kind == "Deployment" {
					workloads = append(workloads, kind+" "+object.GetName())
				}
			}
			g.Expect(workloads).To(ConsistOf(world.workloads))
			expectAPIServer(t, named(objects, "DaemonSet", "cilium"))
		})
	}
}

// expectAPIServer expects that agents call the cluster's own address, since no kube-proxy is there
// to lead to another, and start on nodes that are not ready, since none is without a network.
func expectAPIServer(t *testing.T, agents *unstructured.Unstructured) {
	t.Helper()
	g := NewWithT(t)
	containers, _, err := unstructured.NestedSlice(agents.Object, "spec", "template", "spec", "containers")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(containers[0]).To(HaveKeyWithValue("env", ContainElements(
		map[string]any{"name": "KUBERNETES_SERVICE_HOST", "value": "10.250.0.1"},
		map[string]any{"name": "KUBERNETES_SERVICE_PORT", "value": "6443"},
	)))
	tolerations, _, err := unstructured.NestedSlice(agents.Object, "spec", "template", "spec", "tolerations")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(tolerations).To(ContainElement(map[string]any{"operator": "Exists"}))
	host, _, err := unstructured.NestedBool(agents.Object, "spec", "template", "spec", "hostNetwork")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(host).To(BeTrue())
}

func TestAnAPIServerTakesWhatTheChartInstalls(t *testing.T) {
	for _, flavor := range []string{
		"", "always-free", "single-account", "tailnet-routes", "network-load-balancer", "development", "machine-pool",
	} {
		for _, kubernetes := range []string{oldestKubernetes, newestKubernetes} {
			t.Run(strings.Join([]string{"flavor", flavor, kubernetes}, " "), func(t *testing.T) {
				for _, object := range installed(t, generate(t, flavor), kubernetes) {
					options := []client.CreateOption{client.FieldValidation("Strict"), client.DryRunAll}
					if object.GetKind() == "Namespace" {
						// The objects in it are refused without it.
						options = options[:1]
					}
					err := apiServer.Create(context.Background(), &object, options...)
					NewWithT(t).Expect(client.IgnoreAlreadyExists(err)).NotTo(HaveOccurred(), "%s %s", object.GetKind(), object.GetName())
				}
			})
		}
	}
}

// What is shown of one HelmChartProxy is then shown of all.
func TestEveryProxyInstallsTheSame(t *testing.T) {
	g := NewWithT(t)
	same := func(objects []unstructured.Unstructured) map[string]any {
		spec := maps.Clone(field(objects, "HelmChartProxy", "spec").(map[string]any))
		delete(spec, "clusterSelector")
		return spec
	}
	wanted := same(generate(t, ""))
	g.Expect(same(fleet(t))).To(Equal(wanted))
	g.Expect(same(generate(t, "topology"))).To(Equal(wanted))
}

func TestTheChartComesFromARepositoryOfOnesOwn(t *testing.T) {
	g := NewWithT(t)
	source := func(objects []unstructured.Unstructured) any {
		return field(objects, "HelmChartProxy", "spec", "repoURL")
	}
	g.Expect(source(generate(t, ""))).To(Equal("https://helm.cilium.io/"))

	t.Setenv("CILIUM_REPOSITORY", "oci://registry.example.com/charts")
	g.Expect(source(generate(t, ""))).To(Equal("oci://registry.example.com/charts"))
	g.Expect(source(fleet(t))).To(Equal("oci://registry.example.com/charts"))
}

func named(objects []unstructured.Unstructured, kind, name string) *unstructured.Unstructured {
	for i := range objects {
		if objects[i].GetKind() == kind && objects[i].GetName() == name {
			return &objects[i]
		}
	}
	return &unstructured.Unstructured{}
}
