// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"fmt"
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// bounded are the labels of metrics, with what bounds the number of their values.
var bounded = map[string]string{
	"account":   "OCIAccounts; dropped with one",
	"tailnet":   "Tailnets; dropped with one",
	"class":     "read, create, delete",
	"code":      "kinds of errors, HTTP statuses",
	"host":      "services of OCI",
	"kind":      "kinds of strays",
	"operation": "calls in our code",
	"phase":     "steps of a machine in our code",
	"reason":    "reasons of the API, and words in our code",
	"service":   "services of OCI",
	"shape":     "shapes of OCI",
	"state":     "states in our code",
}

// vectors are the files that make metrics with labels.
func vectors(t *testing.T) (*source, []file) {
	t.Helper()
	s, err := read("cloud", "controllers", "exp", "internal/webhooks", "main.go", "setup.go", "setup_inplace.go")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	makes := func(f file) bool {
		found := false
		ast.Inspect(f.File, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			found = found || ok && (called(call) == "NewDesc" || isVector(call))
			return true
		})
		return found
	}
	files := slices.DeleteFunc(slices.Clone(s.all), func(f file) bool { return !makes(f) })
	NewWithT(t).Expect(len(files)).To(BeNumerically(">=", 5), "the metrics are not found")
	return s, files
}

func isVector(call *ast.CallExpr) bool {
	name := called(call)
	return strings.HasPrefix(name, "New") && strings.HasSuffix(name, "Vec")
}

func TestEveryLabelOfAMetricHasFewValues(t *testing.T) {
	s, files := vectors(t)
	for _, f := range files {
		ast.Inspect(f.File, func(node ast.Node) bool {
			if labels, ok := node.(*ast.CompositeLit); ok && isStrings(labels.Type) {
				for _, label := range labels.Elts {
					name, ok := text(label)
					if !ok || bounded[name] == "" {
						t.Errorf("%s: the label %s of a metric: what bounds its values? Add it to bounded, in this file", s.position(label), name)
					}
				}
			}
			return true
		})
	}
}

func isStrings(expression ast.Expr) bool {
	array, ok := expression.(*ast.ArrayType)
	return ok && nameOf(array.Elt) == "string"
}

// A vector keeps its series until somebody drops them. access.Series does, with an account or a
// tailnet, for all that is registered with it.
func TestAllMetricsAreRegisteredWithTheSeries(t *testing.T) {
	s, _ := vectors(t)
	found := 0
	for _, f := range s.all {
		ast.Inspect(f.File, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.CallExpr:
				if called(n) == "NewSeries" {
					found++
					return false
				}
			case *ast.SelectorExpr:
				if of := nameOf(n.X); of == "metrics" && n.Sel.Name == "Registry" || of == "prometheus" && n.Sel.Name == "DefaultRegisterer" ||
					of == "prometheus" && strings.HasSuffix(n.Sel.Name, "Register") {
					t.Errorf("%s: takes metrics past access.Series, which forgets those of accounts and tailnets: register them with it", s.position(n))
				}
			}
			return true
		})
	}
	NewWithT(t).Expect(found).To(Equal(1), "the registry is handed to access.Series once")
}

var metricName = regexp.MustCompile(`^capom_[a-z_]+$`)

// The test of observability sees the metrics that its events make. One that they do not make, and
// that no query asks for, is seen by nobody.
func TestEveryMetricIsInAQuery(t *testing.T) {
	g := NewWithT(t)
	_, files := vectors(t)
	asked, found := fmt.Sprint(queries(t)), 0
	for _, f := range files {
		ast.Inspect(f.File, func(node ast.Node) bool {
			if literal, ok := node.(*ast.BasicLit); ok {
				if name, ok := text(literal); ok && metricName.MatchString(name) {
					found++
					g.Expect(asked).To(MatchRegexp(`\b`+name+`(_bucket|_sum|_count)?\b`), "%s: no panel and no alert of config/observability asks for it", f.path)
				}
			}
			return true
		})
	}
	g.Expect(found).To(BeNumerically(">", 20), "the metrics are not found")
}
