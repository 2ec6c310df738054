// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

var conditionsFiles = []string{"api/v1alpha1/conditions.go", "api/exp/v1alpha1/conditions.go"}

// borrowed are Cluster API's names in conditions.go for conditions and reasons of ours.
var borrowed = map[string]string{
	"ReadyCondition":    clusterv1.ReadyCondition,
	"DeletingCondition": clusterv1.DeletingCondition,
	"WaitingForClusterInfrastructureReadyReason": clusterv1.WaitingForClusterInfrastructureReadyReason,
	"WaitingForBootstrapDataReason":              clusterv1.WaitingForBootstrapDataReason,
}

// Cluster API's helper writes these; they are in no constant of ours.
var (
	foreignConditions = []string{clusterv1.PausedCondition}
	foreignReasons    = []string{clusterv1.PausedReason, clusterv1.NotPausedReason}
)

func TestEveryReasonIsExplained(t *testing.T) {
	_, documented := tables(t)
	NewWithT(t).Expect(without(constants(t, "Reason"), documented)).To(BeEmpty(), "no table in docs/kinds explains these reasons")
}

func TestEveryConditionIsExplained(t *testing.T) {
	documented, _ := tables(t)
	NewWithT(t).Expect(without(constants(t, "Condition"), documented)).To(BeEmpty(), "no table in docs/kinds explains these conditions")
}

func TestNoPageExplainsWhatDoesNotExist(t *testing.T) {
	g := NewWithT(t)
	conditions, reasons := tables(t)
	g.Expect(without(conditions, append(constants(t, "Condition"), foreignConditions...))).To(BeEmpty(), "conditions in docs/kinds")
	g.Expect(without(reasons, append(constants(t, "Reason"), foreignReasons...))).To(BeEmpty(), "reasons in docs/kinds")
}

// A reason without code to set it would be a broken promise. Its pace, which every reason has, sets
// nothing.
func TestTheCodeSetsEveryReason(t *testing.T) {
	unused := names(t, "Reason")
	for _, folder := range []string{"controllers", "cloud", "internal", "exp"} {
		unused = slices.DeleteFunc(unused, func(name string) bool { return used(t, folder, name) })
	}
	NewWithT(t).Expect(unused).To(BeEmpty(), "constants of %v that nothing uses", conditionsFiles)
}

// Readers find a remedy at the same place on each page.
func TestPagesOfKindsHaveOneShape(t *testing.T) {
	for _, name := range pages(t, "docs/kinds") {
		if filepath.Base(name) == "README.md" {
			continue
		}
		var headings []string
		for _, line := range read(t, name).prose {
			if heading, ok := strings.CutPrefix(line, "## "); ok {
				headings = append(headings, heading)
			}
		}
		NewWithT(t).Expect(headings).To(Equal([]string{
			"Example", "Fields that matter", "Status and columns", "Conditions", "How to", "Deletion",
		}), name)
	}
}

// specs are the constants in the files of conditions with names of this ending.
func specs(t *testing.T, ending string) []*ast.ValueSpec {
	t.Helper()
	g := NewWithT(t)
	var found []*ast.ValueSpec
	for _, name := range conditionsFiles {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, 0)
		g.Expect(err).NotTo(HaveOccurred())
		ast.Inspect(file, func(node ast.Node) bool {
			if spec, ok := node.(*ast.ValueSpec); ok && strings.HasSuffix(spec.Names[0].Name, ending) {
				found = append(found, spec)
			}
			return true
		})
	}
	g.Expect(found).NotTo(BeEmpty())
	return found
}

func names(t *testing.T, ending string) []string {
	t.Helper()
	var found []string
	for _, spec := range specs(t, ending) {
		found = append(found, spec.Names[0].Name)
	}
	return found
}

func constants(t *testing.T, ending string) []string {
	t.Helper()
	var found []string
	for _, spec := range specs(t, ending) {
		found = append(found, value(t, spec))
	}
	return found
}

// used tells whether Go code below the folder, tests and paces apart, names the constant.
func used(t *testing.T, folder, name string) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || entry.Name() == "paces.go" {
			return err
		}
		content, err := os.ReadFile(path)
		found = found || regexp.MustCompile(`\.`+name+`\b`).Match(content)
		return err
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return found
}

func without(all, known []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(word string) bool { return slices.Contains(known, word) })
}

func value(t *testing.T, spec *ast.ValueSpec) string {
	t.Helper()
	g := NewWithT(t)
	switch expression := spec.Values[0].(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(expression.Value)
		g.Expect(err).NotTo(HaveOccurred())
		return text
	case *ast.SelectorExpr:
		g.Expect(borrowed).To(HaveKey(expression.Sel.Name), "add it to borrowed in this file")
		return borrowed[expression.Sel.Name]
	}
	t.Fatalf("%v: the value of %s is not understood", conditionsFiles, spec.Names[0].Name)
	return ""
}

var quoted = regexp.MustCompile("`([^`]+)`")

// tables are the conditions and reasons in tables of docs/kinds whose first columns are so called.
func tables(t *testing.T) (conditions, reasons []string) {
	t.Helper()
	for _, file := range pages(t, "docs/kinds") {
		inside := false
		for _, line := range read(t, file).prose {
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
			switch {
			case !strings.HasPrefix(line, "|"):
				inside = false
			case len(cells) > 1 && strings.TrimSpace(cells[0]) == "Condition" && strings.TrimSpace(cells[1]) == "Reason":
				inside = true
			case inside && len(cells) > 1:
				conditions = append(conditions, words(cells[0])...)
				reasons = append(reasons, words(cells[1])...)
			}
		}
	}
	return conditions, reasons
}

// words are what a cell has in backquotes.
func words(cell string) []string {
	var found []string
	for _, match := range quoted.FindAllStringSubmatch(cell, -1) {
		found = append(found, match[1])
	}
	return found
}
