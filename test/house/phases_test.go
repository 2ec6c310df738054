// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// phase is a row of a controller's table of phases.
type phase struct {
	folder, name, method, at string
}

// phasesOf are the rows of all []phases.Phase literals.
func phasesOf(s *source) []phase {
	var all []phase
	for _, f := range s.all {
		ast.Inspect(f.File, func(node ast.Node) bool {
			table, ok := node.(*ast.CompositeLit)
			if !ok || !isPhaseTable(table.Type) {
				return true
			}
			for _, element := range table.Elts {
				if row, ok := element.(*ast.CompositeLit); ok {
					name, method := rowOf(row)
					all = append(all, phase{path.Dir(f.path), name, method, s.position(row)})
				}
			}
			return false
		})
	}
	return all
}

func isPhaseTable(expression ast.Expr) bool {
	array, ok := expression.(*ast.ArrayType)
	if !ok {
		return false
	}
	of, ok := array.Elt.(*ast.IndexExpr)
	if !ok {
		return false
	}
	phase, ok := of.X.(*ast.SelectorExpr)
	return ok && phase.Sel.Name == "Phase"
}

func rowOf(row *ast.CompositeLit) (name, method string) {
	for _, element := range row.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		switch key := pair.Key.(*ast.Ident); key.Name {
		case "Name":
			name, _ = text(pair.Value)
		case "Run":
			switch run := pair.Value.(type) {
			case *ast.Ident:
				method = run.Name
			case *ast.SelectorExpr:
				method = run.Sel.Name
			}
		}
	}
	return name, method
}

func TestEveryPhaseIsInTheFileOfItsNameBesideItsTest(t *testing.T) {
	g := NewWithT(t)
	s, err := read("controllers", "exp/controllers")
	g.Expect(err).NotTo(HaveOccurred())
	all := phasesOf(s)
	g.Expect(all).NotTo(BeEmpty())
	for _, p := range all {
		base := strings.ReplaceAll(p.name, " ", "_")
		code := path.Join(p.folder, base+".go")
		g.Expect(declares(s, code, p.method)).To(BeTrue(), "%s: phase %q: %s does not declare %s", p.at, p.name, code, p.method)
		content, err := os.ReadFile(filepath.Join(root, path.Join(p.folder, base+"_test.go")))
		g.Expect(err).NotTo(HaveOccurred(), "%s: phase %q has no test of its name", p.at, p.name)
		g.Expect(string(content)).To(ContainSubstring("\nfunc Test"), "%s: phase %q: its test file tests nothing", p.at, p.name)
	}
}

func declares(s *source, name, function string) bool {
	for _, f := range s.all {
		if f.path != name {
			continue
		}
		for _, declaration := range f.Decls {
			if found, ok := declaration.(*ast.FuncDecl); ok && found.Name.Name == function {
				return true
			}
		}
	}
	return false
}

// foldersOfKinds are the folders with a table of phases.
func foldersOfKinds(s *source) map[string]bool {
	folders := map[string]bool{}
	for _, p := range phasesOf(s) {
		folders[p.folder] = true
	}
	return folders
}

// A phase that is in no table is never asked.
func TestEveryFunctionWithTheShapeOfAPhaseIsAsked(t *testing.T) {
	g := NewWithT(t)
	s, err := read("controllers", "exp/controllers")
	g.Expect(err).NotTo(HaveOccurred())
	kinds := foldersOfKinds(s)
	found := 0
	for folder := range kinds {
		named := map[string]bool{}
		var shaped []*ast.FuncDecl
		for _, f := range inPackage(s, folder) {
			ast.Inspect(f.File, func(node ast.Node) bool {
				switch n := node.(type) {
				case *ast.SelectorExpr:
					named[n.Sel.Name] = true
				case *ast.CallExpr:
					named[called(n)] = true
				case *ast.KeyValueExpr:
					named[nameOf(n.Value)] = true
				}
				return true
			})
			for _, declaration := range f.Decls {
				if function, ok := declaration.(*ast.FuncDecl); ok && isPhaseLike(function) {
					shaped = append(shaped, function)
				}
			}
		}
		for _, function := range shaped {
			found++
			if !named[function.Name.Name] {
				t.Errorf("%s: nobody asks the phase %s: add it to the table in %s/controller.go", s.position(function), function.Name.Name, folder)
			}
		}
	}
	g.Expect(found).To(BeNumerically(">", 50), "the phases are not found")
}

// isPhaseLike tells whether a function takes a context and a scope, and returns an error.
func isPhaseLike(function *ast.FuncDecl) bool {
	takes, returns := function.Type.Params, function.Type.Results
	if takes.NumFields() != 2 || returns.NumFields() != 1 || nameOf(returns.List[0].Type) != "error" {
		return false
	}
	last, ok := takes.List[len(takes.List)-1].Type.(*ast.StarExpr)
	return ok && nameOf(takes.List[0].Type) == "Context" && nameOf(last.X) == "scope"
}

// docs/architecture.md says where to begin to read.
func TestEveryKindHasTheSameFiles(t *testing.T) {
	g := NewWithT(t)
	s, err := read("controllers", "exp/controllers")
	g.Expect(err).NotTo(HaveOccurred())
	for _, p := range phasesOf(s) {
		var names []string
		for _, f := range inPackage(s, p.folder) {
			names = append(names, path.Base(f.path))
		}
		g.Expect(names).To(ContainElements("controller.go", "scope.go", "status.go", "watches.go"), p.folder)
	}
}
