// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/chart"
)

// monitoring are the values of kube-prometheus-stack, whose chart is not on the Go module proxy.
func monitoring(t *testing.T) map[string]any {
	t.Helper()
	g := NewWithT(t)
	objects := processed(t, "monitoring-fleet.yaml", "fleet")
	apply(t, objects)
	g.Expect(field(objects, "HelmChartProxy", "spec", "clusterSelector", "matchLabels")).To(
		Equal(map[string]any{"infrastructure.cluster.x-k8s.io/monitoring": "fleet"}))
	template := field(objects, "HelmChartProxy", "spec", "valuesTemplate").(string)
	mesh := chart.Objects{Cluster: map[string]any{
		"spec": map[string]any{"controlPlaneEndpoint": map[string]any{"host": "10.250.0.1", "port": 6443}},
	}}
	values, err := chart.Values(template, mesh)
	g.Expect(err).NotTo(HaveOccurred())
	again, err := chart.Values(template, mesh)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal(values), "other values at each reconcile would upgrade at each reconcile")
	return values
}

func TestMonitoringAlertsAsTheRulesForClustersDo(t *testing.T) {
	g := NewWithT(t)
	content, err := os.ReadFile(filepath.Join(root, "config/observability/clusters/rules.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	var rules map[string]any
	g.Expect(yaml.Unmarshal(content, &rules)).To(Succeed())

	groups, _, err := unstructured.NestedSlice(monitoring(t), "additionalPrometheusRulesMap", "capom", "groups")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(groups).To(Equal(rules["spec"].(map[string]any)["groups"]))
}

// manifest is one of the objects that the chart installs as they are, after its own evaluation of
// them (kube-prometheus-stack, templates/extra-objects.yaml).
func manifest(t *testing.T, kind, name string) map[string]any {
	t.Helper()
	g := NewWithT(t)
	manifests, _, err := unstructured.NestedSlice(monitoring(t), "extraManifests")
	g.Expect(err).NotTo(HaveOccurred())
	for _, each := range manifests {
		text, err := yaml.Marshal(each)
		g.Expect(err).NotTo(HaveOccurred())
		installed, err := chart.Values(string(text), chart.Objects{})
		g.Expect(err).NotTo(HaveOccurred())
		object := unstructured.Unstructured{Object: installed}
		if object.GetKind() == kind && object.GetName() == name {
			return installed
		}
	}
	t.Fatalf("there is no %s %s", kind, name)
	return nil
}

// Clusterctl and Helm evaluate the values, and neither may touch what is Grafana's.
func TestMonitoringBringsTheDashboardsOfClusters(t *testing.T) {
	dashboards := manifest(t, "ConfigMap", "capom-dashboards")
	for _, name := range []string{"tailnet", "etcd"} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			content, err := os.ReadFile(filepath.Join(root, "config/observability/clusters", name+".json"))
			g.Expect(err).NotTo(HaveOccurred())
			installed, found, err := unstructured.NestedString(dashboards, "data", "capom-"+name+".json")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(found).To(BeTrue())
			g.Expect(installed).To(MatchJSON(content))
		})
	}
	label, _, err := unstructured.NestedString(dashboards, "metadata", "labels", "grafana_dashboard")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(label).To(Equal("1"))
}

func podOf(t *testing.T, name string) corev1.PodSpec {
	t.Helper()
	var set appsv1.DaemonSet
	g := NewWithT(t)
	g.Expect(runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(manifest(t, "DaemonSet", name), &set, true)).To(Succeed())
	g.Expect(set.Spec.Template.Labels).To(Equal(set.Spec.Selector.MatchLabels))
	return set.Spec.Template.Spec
}

// tailscaled takes orders from root (tailscale ipn/ipnserver/actor.go).
func TestWhatReadsMetricsOnNodesHasNoRights(t *testing.T) {
	for _, name := range []string{"capom-metrics", "capom-metrics-etcd"} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			pod := podOf(t, name)
			g.Expect(*pod.AutomountServiceAccountToken).To(BeFalse())
			g.Expect(pod.SecurityContext.SeccompProfile.Type).To(Equal(corev1.SeccompProfileTypeRuntimeDefault))
			for _, container := range append(pod.InitContainers, pod.Containers...) {
				g.Expect(*container.SecurityContext.AllowPrivilegeEscalation).To(BeFalse())
				g.Expect(*container.SecurityContext.ReadOnlyRootFilesystem).To(BeTrue())
				g.Expect(container.SecurityContext.Capabilities.Drop).To(ConsistOf(corev1.Capability("ALL")))
				g.Expect(container.Resources.Limits.Memory().Value()).To(BeNumerically("<=", 32<<20))
			}
			for _, container := range pod.Containers {
				user := container.SecurityContext.RunAsUser
				if user == nil {
					user = pod.SecurityContext.RunAsUser
				}
				g.Expect(*user).NotTo(BeZero())
				g.Expect(container.SecurityContext.Capabilities.Add).To(BeEmpty())
			}
		})
	}
}

// Whoever listens on a port in the host's network answers on the tailnet and the VCN.
func TestNoMetricOpensAPortOfANode(t *testing.T) {
	g := NewWithT(t)
	g.Expect(podOf(t, "capom-metrics").HostNetwork).To(BeFalse())
	g.Expect(podOf(t, "capom-metrics-etcd").HostNetwork).To(BeTrue())
	configuration, _, err := unstructured.NestedString(manifest(t, "ConfigMap", "capom-metrics"), "data", "etcd.conf")
	g.Expect(err).NotTo(HaveOccurred())
	listens := regexp.MustCompile(`\blisten\s+([^;]+);`).FindAllStringSubmatch(configuration, -1)
	g.Expect(listens).To(HaveLen(1))
	g.Expect(listens[0][1]).To(HavePrefix("unix:"))
}

func TestMonitoringBoundsTheMemoryOfWhatItRuns(t *testing.T) {
	g := NewWithT(t)
	values := monitoring(t)
	var all resource.Quantity
	for _, path := range [][]string{
		{"alertmanager", "alertmanagerSpec"}, {"prometheusOperator"}, {"kube-state-metrics"}, {"grafana"}, {"prometheus", "prometheusSpec"},
	} {
		limit, _, err := unstructured.NestedString(values, append(path, "resources", "limits", "memory")...)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(limit).NotTo(BeEmpty(), strings.Join(path, "."))
		all.Add(resource.MustParse(limit))
	}
	g.Expect(all.Value()).To(BeNumerically("<=", 2500<<20), "an Always Free node has 12 GB: docs/operations.md")
}

func TestCiliumBringsItsDashboardsWhenAsked(t *testing.T) {
	g := NewWithT(t)
	dashboards := func() (found []string) {
		for _, object := range installed(t, generate(t, ""), newestKubernetes) {
			if object.GetLabels()["grafana_dashboard"] == "1" {
				found = append(found, object.GetName())
			}
		}
		return found
	}
	g.Expect(dashboards()).To(BeEmpty())

	t.Setenv("CILIUM_DASHBOARDS", "true")
	t.Setenv("CILIUM_HUBBLE", "true")
	g.Expect(dashboards()).To(ContainElements("cilium-dashboard", "cilium-operator-dashboard", "hubble-dashboard"))
}
