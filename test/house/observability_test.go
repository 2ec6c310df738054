// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// matcher is a condition of a query on a label's value.
type matcher struct{ metric, label, operator, value string }

var (
	selectors = regexp.MustCompile(`([a-z_:]+)\{([^{}]*)\}`)
	matchers  = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
)

// matchersOf are those in the alerts and panels of config/observability, but for what the user of
// the dashboard chooses and what Prometheus adds.
func matchersOf(t *testing.T) []matcher {
	t.Helper()
	var all []matcher
	for _, expression := range queries(t) {
		for _, selector := range selectors.FindAllStringSubmatch(expression, -1) {
			metric := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(selector[1], "")
			for _, m := range matchers.FindAllStringSubmatch(selector[2], -1) {
				if !strings.HasPrefix(m[3], "$") && m[1] != "job" {
					all = append(all, matcher{metric, m[1], m[2], m[3]})
				}
			}
		}
	}
	NewWithT(t).Expect(len(all)).To(BeNumerically(">", 10), "the queries are not found")
	return all
}

// queries are those of the alerts and panels about managers.
func queries(t *testing.T) (all []string) {
	t.Helper()
	g := NewWithT(t)
	for _, name := range []string{"rules.yaml", "dashboard.json"} {
		content, err := os.ReadFile(filepath.Join(root, "config", "observability", name))
		g.Expect(err).NotTo(HaveOccurred())
		var tree any
		g.Expect(yaml.Unmarshal(content, &tree)).To(Succeed())
		all = append(all, expressionsIn(tree)...)
	}
	return all
}

// expressionsIn are the texts of all fields called expr.
func expressionsIn(tree any) (found []string) {
	switch node := tree.(type) {
	case map[string]any:
		for key, value := range node {
			if expression, ok := value.(string); ok && key == "expr" {
				found = append(found, expression)
			}
			found = append(found, expressionsIn(value)...)
		}
	case []any:
		for _, value := range node {
			found = append(found, expressionsIn(value)...)
		}
	}
	return found
}

// emitted are the values that the code can give a label, by metric and label.
func emitted(s *source) map[string][]string {
	collector, machine := fileOf(s, "controllers/collector/collector.go"), fileOf(s, "controllers/machine/metrics.go")
	kinds := append(valuesOf(constantsOfType(fileOf(s, "cloud/errors.go"), "Kind")), "OK", "Canceled")
	status := []string{"error"}
	for code := 100; code < 600; code++ {
		status = append(status, strconv.Itoa(code))
	}
	return map[string][]string{
		"capom_machines phase":                                 valuesOf(constantsOf(collector, "phase", "")),
		"capom_tailnet_devices state":                          valuesOf(constantsOf(collector, "state", "")),
		"capom_tailnet_strays kind":                            valuesOf(constantsOf(collector, "kind", "")),
		"capom_machine_phase_duration_seconds phase":           valuesOf(constantsOf(machine, "phase", "")),
		"capom_machines_without_place reason":                  refusals(s),
		"capom_oci_requests_total code":                        kinds,
		"capom_feed_polls_total code":                          kinds,
		"capom_tailnet_requests_total code":                    status,
		"controller_runtime_reconcile_errors_total controller": controllersOf(s),
		"workqueue_depth name":                                 controllersOf(s),
	}
}

func valuesOf(constants map[string]string) []string {
	return slices.Collect(maps.Values(constants))
}

func constantsOfType(f *ast.File, name string) map[string]string {
	found := map[string]string{}
	ast.Inspect(f, func(node ast.Node) bool {
		if spec, ok := node.(*ast.ValueSpec); ok && len(spec.Values) == 1 && nameOf(spec.Type) == name {
			found[spec.Names[0].Name], _ = text(spec.Values[0])
		}
		return true
	})
	return found
}

// refusals are the reasons for which the scheduler refuses a place. A wait is none, and errors of
// ours are returned.
func refusals(s *source) (found []string) {
	texts := constantsOf(fileOf(s, "api/v1alpha1/conditions.go"), "", "Reason")
	for _, f := range inPackage(s, "controllers/scheduling") {
		apis := importedAPIs(f.File)
		ast.Inspect(f.File, func(node ast.Node) bool {
			if selector, ok := node.(*ast.SelectorExpr); ok {
				if reason := texts[constantOf(selector, apis, false)]; reason != "" && reason != "Waiting" && reason != "InternalError" {
					found = append(found, reason)
				}
			}
			return true
		})
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// controllersOf are the names of the controllers: controller-runtime takes the kind's.
func controllersOf(s *source) (found []string) {
	for _, f := range s.all {
		ast.Inspect(f.File, func(node ast.Node) bool {
			if call, ok := node.(*ast.CallExpr); ok && called(call) == "For" && len(call.Args) > 0 {
				if object, ok := call.Args[0].(*ast.UnaryExpr); ok {
					if literal, ok := object.X.(*ast.CompositeLit); ok {
						found = append(found, strings.ToLower(nameOf(literal.Type)))
					}
				}
			}
			return true
		})
	}
	return found
}

// A query about a value that no code emits never fires, and nothing says so.
func TestQueriesAskForValuesThatTheCodeEmits(t *testing.T) {
	s, err := read("api", "cloud", "controllers", "exp/controllers")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	values := emitted(s)
	for _, m := range matchersOf(t) {
		known, ok := values[m.metric+" "+m.label]
		if !ok || len(known) == 0 {
			t.Errorf("%s{%s}: say in emitted, in this file, which values there can be", m.metric, m.label)
			continue
		}
		for _, alternative := range strings.Split(m.value, "|") {
			pattern := regexp.MustCompile("^(?:" + alternative + ")$")
			if !slices.ContainsFunc(known, pattern.MatchString) {
				t.Errorf("%s{%s%s%q}: no code emits %q, only %v", m.metric, m.label, m.operator, m.value, alternative, known)
			}
		}
	}
}

func TestQueriesByControllerAreAboutAllOfThem(t *testing.T) {
	g := NewWithT(t)
	s, err := read("controllers", "exp/controllers")
	g.Expect(err).NotTo(HaveOccurred())
	all := controllersOf(s)
	g.Expect(len(all)).To(BeNumerically(">=", 8), "the controllers are not found")
	for _, m := range matchersOf(t) {
		if m.label != "controller" && m.label != "name" {
			continue
		}
		for _, name := range all {
			g.Expect(name).To(MatchRegexp("^(?:"+m.value+")$"), "%s{%s}", m.metric, m.label)
		}
	}
}

// spelt are refusals that no alert is about: the spec is wrong, or nobody may be asked. Who wrote
// it sees the condition at once.
var spelt = []string{
	"FailureDomainUnknown", "ImageArchitectureMismatch", "ImageNotFound", "NoAccount", "ShapeNotFound", "ShapeUnknown",
}

func TestAMachineWithoutAPlaceIsAlertedOnWhateverTheReason(t *testing.T) {
	g := NewWithT(t)
	s, err := read("api", "controllers")
	g.Expect(err).NotTo(HaveOccurred())
	var alerted []string
	for _, m := range matchersOf(t) {
		if m.metric == "capom_machines_without_place" {
			alerted = append(alerted, strings.Split(m.value, "|")...)
		}
	}
	g.Expect(append(alerted, spelt...)).To(ConsistOf(refusals(s)), "config/observability/rules.yaml, or the list in this file")
}

// docs/operations.md says which of several causes is told.
func TestThePageOfOperationsHasEveryRefusalInTheOrderOfCauses(t *testing.T) {
	g := NewWithT(t)
	s, err := read("api", "controllers")
	g.Expect(err).NotTo(HaveOccurred())
	content, err := os.ReadFile(filepath.Join(root, "docs", "operations.md"))
	g.Expect(err).NotTo(HaveOccurred())
	_, after, found := strings.Cut(string(content), "Machines that wait for room say so")
	order, _, ends := strings.Cut(after, "What is short is")
	g.Expect(found && ends).To(BeTrue(), "the order of causes is not found")
	for _, reason := range refusals(s) {
		g.Expect(order).To(ContainSubstring("`"+reason+"`"), "docs/operations.md")
	}
}
