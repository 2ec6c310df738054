// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
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
	s, err := read("cloud", "controllers", "exp", "internal/webhooks", "main.go", "setup.go")
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

// What the collector tells is counted at the scrape. A vector keeps its series until somebody drops
// them.
func TestTheSeriesOfAnAccountOrATailnetGoWithIt(t *testing.T) {
	s, files := vectors(t)
	found := 0
	for _, f := range files {
		labels, forgotten := labelsByField(f.File), forgets(f.File)
		for _, field := range vectorFields(f.File) {
			found++
			by, known := labels[field.Name]
			if known && !slices.Contains(by, "account") && !slices.Contains(by, "tailnet") {
				continue
			}
			if !forgotten[field.Name] {
				t.Errorf("%s: no function that forgets an account or a tailnet drops the series of %s", s.position(field), field.Name)
			}
		}
	}
	NewWithT(t).Expect(found).To(BeNumerically(">", 12), "the vectors are not found")
}

// vectorFields are the fields of structs that are vectors of metrics.
func vectorFields(f *ast.File) (found []*ast.Ident) {
	ast.Inspect(f, func(node ast.Node) bool {
		structure, ok := node.(*ast.StructType)
		if !ok {
			return true
		}
		for _, field := range structure.Fields.List {
			if pointer, ok := field.Type.(*ast.StarExpr); ok && strings.HasSuffix(nameOf(pointer.X), "Vec") {
				found = append(found, field.Names...)
			}
		}
		return true
	})
	return found
}

// labelsByField are the labels of vectors that are made where a field is filled in.
func labelsByField(f *ast.File) map[string][]string {
	found := map[string][]string{}
	ast.Inspect(f, func(node ast.Node) bool {
		pair, ok := node.(*ast.KeyValueExpr)
		if !ok {
			return true
		}
		call, ok := pair.Value.(*ast.CallExpr)
		if !ok || !isVector(call) {
			return true
		}
		labels, ok := call.Args[1].(*ast.CompositeLit)
		if !ok {
			return true
		}
		for _, label := range labels.Elts {
			name, _ := text(label)
			found[nameOf(pair.Key)] = append(found[nameOf(pair.Key)], name)
		}
		return true
	})
	return found
}

// forgets are the fields that functions called Forget… name.
func forgets(f *ast.File) map[string]bool {
	found := map[string]bool{}
	for _, declaration := range f.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(strings.ToLower(function.Name.Name), "forget") {
			continue
		}
		ast.Inspect(function, func(node ast.Node) bool {
			if selector, ok := node.(*ast.SelectorExpr); ok {
				found[selector.Sel.Name] = true
			}
			return true
		})
	}
	return found
}
