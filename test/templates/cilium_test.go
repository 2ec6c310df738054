// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package templates

import (
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "sigs.k8s.io/cluster-api/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/chart"
)

func TestCiliumValuesFollowTheCluster(t *testing.T) {
	routed := map[string]any{"routingMode": "native", "autoDirectNodeRoutes": false, "ipv4NativeRoutingCIDR": "10.244.0.0/16"}
	tunneled := map[string]any{"routingMode": "tunnel", "tunnelProtocol": "vxlan", "underlayProtocol": "ipv4"}
	tables := []struct {
		world     string
		flavor    string
		variables map[string]string
		replicas  int64
		expect    map[string]any
		hubble    any
		operators float64
	}{
		{world: "three control planes", replicas: 3, expect: tunneled, hubble: hubble(false, nil), operators: 2},
		{world: "one control plane", replicas: 1, expect: tunneled, hubble: hubble(false, nil), operators: 1},
		{world: "Hubble switched on", variables: map[string]string{"CILIUM_HUBBLE": "true", "CILIUM_METRICS": "false"}, replicas: 3, expect: tunneled,
			hubble: hubble(true, []any{"dns", "drop", "tcp", "flow", "icmp", "http"}), operators: 2},
		{world: "tailnet routes", flavor: "tailnet-routes", replicas: 3, expect: routed, hubble: hubble(false, nil), operators: 2},
	}
	for _, tt := range tables {
		t.Run(tt.world, func(t *testing.T) {
			g := NewWithT(t)
			for name, value := range tt.variables {
				t.Setenv(name, value)
			}
			objects := generate(t, tt.flavor)
			values := render(t, objects, tt.replicas)

			g.Expect(values).To(HaveKeyWithValue("k8sServiceHost", "10.250.0.1"))
			g.Expect(values).To(HaveKeyWithValue("k8sServicePort", float64(6443)))
			g.Expect(values).To(HaveKeyWithValue("MTU", float64(1280)))
			g.Expect(values).To(HaveKeyWithValue("kubeProxyReplacement", true))
			for key, value := range tt.expect {
				g.Expect(values).To(HaveKeyWithValue(key, value))
			}
			g.Expect(values).To(HaveKeyWithValue("hubble", tt.hubble))
			g.Expect(values["operator"]).To(HaveKeyWithValue("replicas", tt.operators))
			expectSchema(t, values)
		})
	}
}

// hubble are the values of Hubble, whose relay and UI come with it.
func hubble(enabled bool, metrics any) map[string]any {
	switched := map[string]any{"enabled": enabled}
	return map[string]any{"enabled": enabled, "relay": switched, "ui": switched, "metrics": map[string]any{
		"enabled": metrics, "dashboards": map[string]any{"enabled": false},
	}}
}

func TestThePolicyKeepsPodsFromInstanceServicesButDNS(t *testing.T) {
	g := NewWithT(t)
	policy := map[string]any{}
	g.Expect(yaml.Unmarshal([]byte(field(generate(t, ""), "ConfigMap", "data", "policy.yaml").(string)), &policy)).To(Succeed())

	spec := policy["spec"].(map[string]any)
	g.Expect(policy).To(HaveKeyWithValue("kind", "CiliumClusterwideNetworkPolicy"))
	g.Expect(spec).To(HaveKeyWithValue("endpointSelector", BeEmpty()))
	g.Expect(spec).To(HaveKeyWithValue("enableDefaultDeny", Equal(map[string]any{"egress": false, "ingress": false})))
	rules := spec["egressDeny"].([]any)
	g.Expect(rules).To(HaveLen(2))
	g.Expect(rules[0]).To(HaveKeyWithValue("toCIDRSet", ConsistOf(
		map[string]any{"cidr": "169.254.0.0/16", "except": []any{"169.254.169.254/32"}})))
	for _, port := range rules[1].(map[string]any)["toPorts"].([]any)[0].(map[string]any)["ports"].([]any) {
		g.Expect(port.(map[string]any)["port"]).NotTo(Equal("53"))
		g.Expect(port.(map[string]any)["endPort"]).NotTo(Equal(float64(53)))
	}
}

// render fills a HelmChartProxy's values in as CAAPH does.
func render(t *testing.T, objects []unstructured.Unstructured, replicas int64) map[string]any {
	t.Helper()
	g := NewWithT(t)
	cluster := find(objects, "Cluster").DeepCopy()
	g.Expect(unstructured.SetNestedField(cluster.Object, "10.250.0.1", "spec", "controlPlaneEndpoint", "host")).To(Succeed())
	g.Expect(unstructured.SetNestedField(cluster.Object, int64(6443), "spec", "controlPlaneEndpoint", "port")).To(Succeed())
	controlPlane := find(objects, "KubeadmControlPlane").DeepCopy()
	g.Expect(unstructured.SetNestedField(controlPlane.Object, replicas, "spec", "replicas")).To(Succeed())

	source := field(objects, "HelmChartProxy", "spec", "valuesTemplate").(string)
	values, err := chart.Values(source, chart.Objects{
		Cluster: cluster.Object, ControlPlane: controlPlane.Object, InfraCluster: find(objects, "OCIMeshCluster").Object,
	})
	g.Expect(err).NotTo(HaveOccurred())
	return values
}

// expectSchema expects that all values are Cilium's. Its chart's schema lets unknown keys pass, so
// a typing error has to be caught here; the rest of the schema is asked when the chart is rendered.
func expectSchema(t *testing.T, values map[string]any) {
	t.Helper()
	g := NewWithT(t)
	loaded, _ := ciliumChart(t)
	var schema struct{ Properties map[string]any }
	g.Expect(json.Unmarshal(loaded.Schema, &schema)).To(Succeed())
	g.Expect(schema.Properties).NotTo(BeEmpty())
	for key := range values {
		g.Expect(schema.Properties).To(HaveKey(key))
	}
}

func parse(t *testing.T, content []byte) []unstructured.Unstructured {
	t.Helper()
	objects, err := utilyaml.ToUnstructured(content)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return objects
}
