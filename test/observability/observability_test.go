// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package observability checks the dashboard and the alerts of config/observability for missing
// metrics.
package observability

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/fleet"
)

const (
	root   = "../.."
	folder = root + "/config/observability"
)

// query is an expression and its place.
type query struct{ where, expression string }

// selector is an expression's use of a metric.
type selector struct {
	Metric string   `json:"metric"`
	Labels []string `json:"labels"`
}

func read(t *testing.T, name string, into any) {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, name))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(yaml.Unmarshal(content, into)).To(Succeed())
}

type rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// rules are the manager's.
func rules(t *testing.T) []rule {
	t.Helper()
	return rulesOf(t, "rules.yaml")
}

func rulesOf(t *testing.T, name string) []rule {
	t.Helper()
	var file struct {
		Spec struct {
			Groups []struct {
				Rules []rule `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}
	read(t, name, &file)
	var all []rule
	for _, group := range file.Spec.Groups {
		all = append(all, group.Rules...)
	}
	NewWithT(t).Expect(all).NotTo(BeEmpty())
	return all
}

type panel struct {
	Title, Description string
	Targets            []struct {
		Expr         string `json:"expr"`
		LegendFormat string `json:"legendFormat"`
	} `json:"targets"`
}

func panels(t *testing.T) []panel {
	t.Helper()
	var dashboard struct {
		Panels []panel `json:"panels"`
	}
	read(t, "dashboard.json", &dashboard)
	NewWithT(t).Expect(dashboard.Panels).NotTo(BeEmpty())
	return dashboard.Panels
}

// queries are all expressions, with the dashboard's variables filled in.
func queries(t *testing.T) []query {
	t.Helper()
	var all []query
	for _, r := range rules(t) {
		all = append(all, query{"alert " + r.Alert, r.Expr})
	}
	variables := strings.NewReplacer("$__rate_interval", "5m", "$account", "alpha|bravo")
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			all = append(all, query{"panel " + p.Title, variables.Replace(target.Expr)})
		}
	}
	return all
}

// parse has Prometheus' own parser name each query's metrics; the test fails where it cannot.
func parse(t *testing.T, all []query) [][]selector {
	t.Helper()
	g := NewWithT(t)
	expressions := make([]string, 0, len(all))
	for _, q := range all {
		expressions = append(expressions, q.expression)
	}
	input, err := json.Marshal(expressions)
	g.Expect(err).NotTo(HaveOccurred())
	cmd := exec.CommandContext(t.Context(), "go", "run", ".")
	cmd.Dir, cmd.Stdin = filepath.Join(root, "test", "promql"), bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	g.Expect(err).NotTo(HaveOccurred(), stderr.String())
	var answers []struct {
		Error     string     `json:"error"`
		Selectors []selector `json:"selectors"`
	}
	g.Expect(json.Unmarshal(output, &answers)).To(Succeed())
	g.Expect(answers).To(HaveLen(len(all)))
	out := make([][]selector, 0, len(all))
	for i, answer := range answers {
		g.Expect(answer.Error).To(BeEmpty(), "%s: %s", all[i].where, all[i].expression)
		out = append(out, answer.Selectors)
	}
	return out
}

func TestAlertsSayWhatIsWrongAndWhatToDo(t *testing.T) {
	for _, r := range append(rules(t), rulesOf(t, clusterRules)...) {
		t.Run(r.Alert, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(r.Alert).To(HavePrefix("Capom"))
			g.Expect(r.For).NotTo(BeEmpty())
			g.Expect(r.Labels["severity"]).To(BeElementOf("info", "warning", "critical"))
			g.Expect(r.Annotations["summary"]).NotTo(BeEmpty())
			g.Expect(r.Annotations["description"]).NotTo(BeEmpty())
		})
	}
}

// label is a reference to a label, in a legend or in an alert's text.
var label = regexp.MustCompile(`\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}`)

func TestTextsReferToLabelsThatAreLeft(t *testing.T) {
	g := NewWithT(t)
	texts := map[string][]string{}
	for _, r := range rules(t) {
		texts[r.Expr] = append(texts[r.Expr], r.Annotations["summary"], r.Annotations["description"])
	}
	for _, p := range panels(t) {
		for _, target := range p.Targets {
			texts[target.Expr] = append(texts[target.Expr], target.LegendFormat)
		}
	}
	for expression, all := range texts {
		for _, text := range all {
			for _, reference := range label.FindAllStringSubmatch(text, -1) {
				grouping := regexp.MustCompile(`by \([^)]*\b` + reference[1] + `\b[^)]*\)`)
				g.Expect(grouping.MatchString(expression)).To(BeTrue(), "%q of %s", text, expression)
			}
		}
	}
}

// TestEveryMetricAndLabelExists compares with the manager's metrics after a run with every counted
// event.
func TestEveryMetricAndLabelExists(t *testing.T) {
	g := NewWithT(t)
	metrics := scrape(t)
	all := queries(t)
	var missing []string
	for i, selectors := range parse(t, all) {
		for _, s := range selectors {
			have, known := labelsOf(metrics, s.Metric)
			if !known {
				missing = append(missing, fmt.Sprintf("%s: there is no metric %s", all[i].where, s.Metric))
				continue
			}
			for _, wanted := range s.Labels {
				if !slices.Contains(have, wanted) && !slices.Contains(ofTarget, wanted) {
					missing = append(missing, fmt.Sprintf("%s: %s has no label %s but %v", all[i].where, s.Metric, wanted, have))
				}
			}
		}
	}
	g.Expect(missing).To(BeEmpty())

	var unseen []string
	named := fmt.Sprint(all)
	for name := range metrics {
		if strings.HasPrefix(name, "capom_") && !strings.Contains(named, name) {
			unseen = append(unseen, name)
		}
	}
	g.Expect(unseen).To(BeEmpty(), "neither a panel nor an alert is about these")
	expectClientGoQueues(t, metrics)
}

// expectClientGoQueues recognises the manager's queues by their label: controller-runtime's, with
// priorities, can stop for good at a shutdown (docs/decisions/0014-work-queue.md).
func expectClientGoQueues(t *testing.T, metrics fleet.Metrics) {
	t.Helper()
	g := NewWithT(t)
	depths := metrics["workqueue_depth"].GetMetric()
	g.Expect(depths).NotTo(BeEmpty())
	for _, depth := range depths {
		for _, label := range depth.GetLabel() {
			if label.GetName() == "priority" {
				g.Expect(label.GetValue()).To(BeEmpty(), "a queue with priorities: %v", depth.GetLabel())
			}
		}
	}
}

// clusterRules are for the Prometheus of a mesh cluster.
const clusterRules = "clusters/rules.yaml"

// ofClusters are the metrics in mesh clusters that alerts ask for, with the labels that they use
// (kube-state-metrics, docs/metrics/cluster/node-metrics.md and workload/daemonset-metrics.md).
var ofClusters = map[string][]string{
	"kube_node_status_condition":             {"condition", "status"},
	"kube_daemonset_status_number_available": {"namespace", "daemonset"},
}

func TestAlertsOfClustersAskForWhatTheirPrometheusHas(t *testing.T) {
	g := NewWithT(t)
	var all []query
	for _, r := range rulesOf(t, clusterRules) {
		all = append(all, query{"alert " + r.Alert, r.Expr})
	}
	for i, selectors := range parse(t, all) {
		for _, s := range selectors {
			g.Expect(ofClusters).To(HaveKey(s.Metric), all[i].where)
			for _, label := range s.Labels {
				g.Expect(ofClusters[s.Metric]).To(ContainElement(label), all[i].where)
			}
		}
	}
}

// ofTarget are the labels added by Prometheus to scraped metrics.
var ofTarget = []string{"job", "pod", "instance", "namespace"}
