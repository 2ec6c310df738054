// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// When an object is looked at again is chosen for each reason, and not by leaving it out.
func TestEveryReasonHasAPace(t *testing.T) {
	s, err := read("api", "controllers", "exp/controllers")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for conditions, table := range map[string]string{
		"api/v1alpha1/conditions.go":     "controllers/phases/paces.go",
		"api/exp/v1alpha1/conditions.go": "exp/controllers/machinepool/paces.go",
	} {
		reasons := constantsOf(fileOf(s, conditions), "", "Reason")
		NewWithT(t).Expect(reasons).NotTo(BeEmpty())
		NewWithT(t).Expect(slices.Collect(maps.Keys(pacesIn(fileOf(s, table))))).To(ConsistOf(slices.Collect(maps.Keys(reasons))), "reasons of %s, paces of %s", conditions, table)
	}
}

func TestNoProblemHasAReasonThatIsOnlyNoted(t *testing.T) {
	g := NewWithT(t)
	s, err := read("controllers", "exp/controllers")
	g.Expect(err).NotTo(HaveOccurred())
	tables := map[string]map[string]string{
		"infrav1": pacesIn(fileOf(s, "controllers/phases/paces.go")),
		"expv1":   pacesIn(fileOf(s, "exp/controllers/machinepool/paces.go")),
	}
	found := 0
	for _, f := range s.all {
		for _, reason := range reasonsOfProblems(f.File) {
			found++
			api := reason.X.(*ast.Ident).Name
			if tables[api][reason.Sel.Name] == "Noted" {
				t.Errorf("%s: a problem has %s, whose pace is Noted: choose one", s.position(reason), reason.Sel.Name)
			}
		}
	}
	g.Expect(found).To(BeNumerically(">", 50), "the problems are not found")
}

// news are reasons under way that a person is to hear of.
var news = []string{"ClaimingReason"}

// What takes its time is no news: nobody is to be warned of it.
func TestWhatIsUnderWayMakesNoEvent(t *testing.T) {
	s, err := read("controllers")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	expected := slices.Clone(news)
	ast.Inspect(fileOf(s, "controllers/report/report.go"), func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, "expected") {
			return true
		}
		for _, reason := range spec.Values[0].(*ast.CompositeLit).Elts {
			expected = append(expected, nameOf(reason))
		}
		return true
	})
	for reason, pace := range pacesIn(fileOf(s, "controllers/phases/paces.go")) {
		if pace == "UnderWay" && !slices.Contains(expected, reason) {
			t.Errorf("%s is UnderWay: add it to expectedUp or expectedDown in controllers/report/report.go, or to news in this file", reason)
		}
	}
}

// constantsOf are the texts of a file's constants with such names, by name. Those that another
// package has are empty.
func constantsOf(f *ast.File, prefix, suffix string) map[string]string {
	found := map[string]string{}
	ast.Inspect(f, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if ok && len(spec.Values) == 1 && strings.HasPrefix(spec.Names[0].Name, prefix) && strings.HasSuffix(spec.Names[0].Name, suffix) {
			found[spec.Names[0].Name], _ = text(spec.Values[0])
		}
		return true
	})
	return found
}

// pacesIn are the rows of a file's table: the reason's constant and the pace's.
func pacesIn(f *ast.File) map[string]string {
	found := map[string]string{}
	ast.Inspect(f, func(node ast.Node) bool {
		if row, ok := node.(*ast.KeyValueExpr); ok {
			if reason, ok := row.Key.(*ast.SelectorExpr); ok {
				found[reason.Sel.Name] = nameOf(row.Value)
			}
		}
		return true
	})
	return found
}

// nameOf is the name of a constant, without its package.
func nameOf(expression ast.Expr) string {
	switch e := expression.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// reasonsOfProblems are the constants of the API that become reasons of problems.
func reasonsOfProblems(f *ast.File) (found []*ast.SelectorExpr) {
	apis := importedAPIs(f)
	add := func(expression ast.Expr) {
		if reason, ok := expression.(*ast.SelectorExpr); ok && constantOf(reason, apis, false) != "" {
			found = append(found, reason)
		}
	}
	ast.Inspect(f, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.CallExpr:
			if called(n) == "NewProblem" {
				add(n.Args[0])
			}
		case *ast.CompositeLit:
			if nameOf(n.Type) != "Problem" {
				break
			}
			for _, element := range n.Elts {
				if pair, ok := element.(*ast.KeyValueExpr); ok && nameOf(pair.Key) == "Reason" {
					add(pair.Value)
				}
			}
		case *ast.AssignStmt:
			if to, ok := n.Lhs[0].(*ast.SelectorExpr); ok && to.Sel.Name == "Reason" && nameOf(to.X) == "problem" && len(n.Rhs) == 1 {
				add(n.Rhs[0])
			}
		}
		return true
	})
	return found
}

// inPackage are the files of one folder.
func inPackage(s *source, folder string) []file {
	return slices.DeleteFunc(slices.Clone(s.all), func(f file) bool { return path.Dir(f.path) != folder })
}
