// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/chart"
)

// monitoring are the values of kube-prometheus-stack, whose chart is not on the Go module proxy.
func monitoring(t *testing.T) map[string]any {
	t.Helper()
	g := NewWithT(t)
	objects := processed(t, "monitoring-fleet.yaml")
	apply(t, objects)
	g.Expect(field(objects, "HelmChartProxy", "spec", "clusterSelector", "matchLabels")).To(
		Equal(map[string]any{"infrastructure.cluster.x-k8s.io/monitoring": "fleet"}))
	template := field(objects, "HelmChartProxy", "spec", "valuesTemplate").(string)
	values, err := chart.Values(template, chart.Objects{})
	g.Expect(err).NotTo(HaveOccurred())
	again, err := chart.Values(template, chart.Objects{})
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

func TestMonitoringBoundsTheMemoryOfWhatItRuns(t *testing.T) {
	g := NewWithT(t)
	values := monitoring(t)
	for _, path := range [][]string{
		{"alertmanager", "alertmanagerSpec"}, {"prometheusOperator"}, {"kube-state-metrics"}, {"grafana"}, {"prometheus", "prometheusSpec"},
	} {
		limit, _, err := unstructured.NestedString(values, append(path, "resources", "limits", "memory")...)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(limit).NotTo(BeEmpty(), strings.Join(path, "."))
	}
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
