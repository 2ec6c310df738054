// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package observability

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/chart"
)

// evaluates are a query, and whether labels may have other values than it asks for.
type evaluates struct {
	Expression string `json:"expression"`
	AnyValue   bool   `json:"anyValue"`
}

// evaluate has Prometheus scrape, and gives of each query what found no series, and of those that
// must find none what did.
func evaluate(t *testing.T, configuration map[string]any, all []query, absent []string) (missing, present []string) {
	t.Helper()
	g := NewWithT(t)
	text, err := yaml.Marshal(configuration)
	g.Expect(err).NotTo(HaveOccurred())
	asks := make([]evaluates, 0, len(all))
	for _, q := range all {
		// What an alert waits for has not happened, nor what a panel shows as nothing then.
		asks = append(asks, evaluates{q.expression, strings.HasPrefix(q.where, "alert ") || strings.Contains(q.expression, " or vector(0)")})
	}
	input, err := json.Marshal(map[string]any{"configuration": string(text), "queries": asks, "absent": absent})
	g.Expect(err).NotTo(HaveOccurred())

	var found struct {
		Missing [][]string `json:"missing"`
		Present []string   `json:"present"`
	}
	g.Expect(json.Unmarshal(promql(t, input, "evaluate"), &found)).To(Succeed())
	g.Expect(found.Missing).To(HaveLen(len(all)))
	for i, parts := range found.Missing {
		for _, part := range parts {
			missing = append(missing, fmt.Sprintf("%s: no series of %s", all[i].where, part))
		}
	}
	return missing, found.Present
}

// promql runs the program that has Prometheus' code.
func promql(t *testing.T, input []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"run", "."}, args...)...)
	cmd.Dir, cmd.Stdin = filepath.Join(root, "test", "promql"), bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), stderr.String())
	return output
}

// target is what the discovery of a job finds: an address, and what Kubernetes knows of it.
type target struct {
	address string
	labels  map[string]string
}

func (t target) static() map[string]any {
	return map[string]any{"targets": []any{t.address}, "labels": t.labels}
}

// configurationOf are the jobs of the fleet's chart, as they are but for the discovery in
// Kubernetes, and further jobs.
func configurationOf(t *testing.T, w clusterWorld, further map[string]string) map[string]any {
	t.Helper()
	g := NewWithT(t)
	jobs, found, err := unstructured.NestedSlice(fleetValues(t, w.endpoint), "prometheus", "prometheusSpec", "additionalScrapeConfigs")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeTrue())
	unused := maps.Clone(w.discovered)
	for _, each := range jobs {
		job := each.(map[string]any)
		name := job["job_name"].(string)
		if job["kubernetes_sd_configs"] == nil {
			continue
		}
		delete(job, "kubernetes_sd_configs")
		statics := []any{}
		for _, discovered := range w.discovered[name] {
			statics = append(statics, discovered.static())
		}
		job["static_configs"] = statics
		delete(unused, name)
	}
	g.Expect(unused).To(BeEmpty(), "no job discovers these")
	for name, address := range further {
		jobs = append(jobs, map[string]any{"job_name": name, "static_configs": []any{target{address: address}.static()}})
	}
	for path, file := range w.files {
		jobs = replaced(jobs, path, file).([]any)
	}
	return map[string]any{"global": map[string]any{"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": jobs}
}

// replaced is a tree with another text in place of one.
func replaced(tree any, old, text string) any {
	switch node := tree.(type) {
	case map[string]any:
		for key, value := range node {
			node[key] = replaced(value, old, text)
		}
	case []any:
		for i, value := range node {
			node[i] = replaced(value, old, text)
		}
	case string:
		if node == old {
			return text
		}
	}
	return tree
}

// variable is one of clusterctl's, with its default.
var variable = regexp.MustCompile(`\$\{[A-Z_]+:=([^}]*)\}`)

// fleetValues are the values of the fleet's chart for a cluster.
func fleetValues(t *testing.T, endpoint map[string]any) map[string]any {
	t.Helper()
	g := NewWithT(t)
	content, err := os.ReadFile(filepath.Join(root, "templates", "monitoring-fleet.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	var proxy map[string]any
	g.Expect(yaml.Unmarshal(variable.ReplaceAll(content, []byte("$1")), &proxy)).To(Succeed())
	template, found, err := unstructured.NestedString(proxy, "spec", "valuesTemplate")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeTrue())
	values, err := chart.Values(template, chart.Objects{
		Cluster: map[string]any{"spec": map[string]any{"controlPlaneEndpoint": endpoint}},
	})
	g.Expect(err).NotTo(HaveOccurred())
	return values
}
