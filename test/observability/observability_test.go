// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package observability checks the dashboards and the alerts of config/observability: a Prometheus
// scrapes what they are about, and each of their queries has to find something.
package observability

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/test/fleet"
	"github.com/ocimesh/cluster-api-provider-ocimesh/test/scrape"
)

const root = "../.."

// selector is an expression's use of a metric.
type selector struct {
	Metric string   `json:"metric"`
	Labels []string `json:"labels"`
}

func rules(t *testing.T) []scrape.Rule {
	t.Helper()
	var all []scrape.Rule
	for _, name := range []string{scrape.ManagersRules, scrape.ClustersRules} {
		found, err := scrape.Rules(root, name)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		all = append(all, found...)
	}
	return all
}

func panels(t *testing.T, dashboards ...string) []scrape.Panel {
	t.Helper()
	all, err := scrape.Panels(root, dashboards...)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return all
}

func queries(t *testing.T, rules string, dashboards ...string) []scrape.Query {
	t.Helper()
	all, err := scrape.Queries(root, rules, dashboards...)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return all
}

// parse has Prometheus' own parser name each query's metrics; the test fails where it cannot.
func parse(t *testing.T, all []scrape.Query) [][]selector {
	t.Helper()
	g := NewWithT(t)
	expressions := make([]string, 0, len(all))
	for _, q := range all {
		expressions = append(expressions, q.Expression)
	}
	input, err := json.Marshal(expressions)
	g.Expect(err).NotTo(HaveOccurred())
	var answers []struct {
		Error     string     `json:"error"`
		Selectors []selector `json:"selectors"`
	}
	g.Expect(json.Unmarshal(promql(t, input), &answers)).To(Succeed())
	g.Expect(answers).To(HaveLen(len(all)))
	out := make([][]selector, 0, len(all))
	for i, answer := range answers {
		g.Expect(answer.Error).To(BeEmpty(), "%s: %s", all[i].Where, all[i].Expression)
		out = append(out, answer.Selectors)
	}
	return out
}

func TestAlertsSayWhatIsWrongAndWhatToDo(t *testing.T) {
	for _, r := range rules(t) {
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
var label = regexp.MustCompile(`\{\{\s*(?:\$labels\.)?([a-zA-Z_]+)\s*\}\}`)

func TestTextsReferToLabelsThatAreLeft(t *testing.T) {
	g := NewWithT(t)
	texts := map[string][]string{}
	for _, r := range rules(t) {
		texts[r.Expr] = append(texts[r.Expr], r.Annotations["summary"], r.Annotations["description"])
	}
	for _, p := range panels(t, slices.Concat(scrape.ManagersDashboards, scrape.ClustersDashboards)...) {
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

// The manager is scraped after a run with every counted event.
func TestQueriesFindWhatTheyAskFor(t *testing.T) {
	etcd, dir := members(t), t.TempDir()
	f := run(t, dir)
	t.Run("every metric and label of the manager exists", func(t *testing.T) { expectMetricsAndLabels(t, f) })
	t.Run("a Prometheus finds series for each", func(t *testing.T) { expectSeries(t, f, dir, etcd) })
}

func expectSeries(t *testing.T, f *fleet.Fleet, dir string, etcd []string) {
	t.Helper()
	g := NewWithT(t)
	manager := serve(t, map[string]http.HandlerFunc{"/metrics": func(w http.ResponseWriter, r *http.Request) {
		text, err := f.Diagnostics.Get(r.Context(), "/metrics")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write(text)
	}})
	configuration := configurationOf(t, clusterOf(t, f, dir, etcd), map[string]string{
		"capom-metrics":      manager,
		"kube-state-metrics": serve(t, map[string]http.HandlerFunc{"/metrics": recorded(t, "kube-state-metrics.prom")}),
	})
	all := append(queries(t, scrape.ManagersRules, scrape.ManagersDashboards...), queries(t, scrape.ClustersRules, scrape.ClustersDashboards...)...)
	nowhere := []string{"tailscaled_latency_seconds", `up{job="etcd", node=""}`}
	missing, present := evaluate(t, configuration, all, nowhere)
	g.Expect(strings.Join(missing, "\n")).To(BeEmpty())
	g.Expect(present).To(BeEmpty(), "nothing is called so, and each member has its node")
}

func expectMetricsAndLabels(t *testing.T, f *fleet.Fleet) {
	t.Helper()
	g := NewWithT(t)
	metrics, err := f.Diagnostics.Scrape(t.Context())
	g.Expect(err).NotTo(HaveOccurred())
	all := queries(t, scrape.ManagersRules, scrape.ManagersDashboards...)
	var missing []string
	for i, selectors := range parse(t, all) {
		for _, s := range selectors {
			have, known := labelsOf(metrics, s.Metric)
			if !known {
				missing = append(missing, fmt.Sprintf("%s: there is no metric %s", all[i].Where, s.Metric))
				continue
			}
			for _, wanted := range s.Labels {
				if !slices.Contains(have, wanted) && !slices.Contains(ofTarget, wanted) {
					missing = append(missing, fmt.Sprintf("%s: %s has no label %s but %v", all[i].Where, s.Metric, wanted, have))
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

// What was recorded is of the versions that the product has.
func TestRecordedMetricsAreOfThePinnedVersions(t *testing.T) {
	for recording, pin := range map[string]struct{ module, file string }{
		"tailscaled.prom": {"tailscale.com", "test/coordination/go.mod"},
		"cilium.prom":     {"github.com/cilium/cilium", "hack/cilium/go.mod"},
	} {
		t.Run(recording, func(t *testing.T) {
			g := NewWithT(t)
			content, err := os.ReadFile(filepath.Join(root, pin.file))
			g.Expect(err).NotTo(HaveOccurred())
			version := regexp.MustCompile(`(?m)^(?:require)?\s*` + regexp.QuoteMeta(pin.module) + ` (v\S+)$`).FindStringSubmatch(string(content))
			g.Expect(version).To(HaveLen(2))
			text, err := os.ReadFile(filepath.Join("testdata", recording))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(text)).To(HavePrefix("# Of "))
			g.Expect(strings.SplitN(string(text), "\n", 2)[0]).To(ContainSubstring(" "+version[1]+","), "record it anew")
		})
	}
}

// ofTarget are the labels added by Prometheus to scraped metrics.
var ofTarget = []string{"job", "pod", "instance", "namespace"}
