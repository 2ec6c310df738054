// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"path"
	"testing"

	. "github.com/onsi/gomega"
)

// A phase uses what earlier ones have set. Who moves a phase, or leaves one out, has to know which.
func TestEveryFieldOfAScopeSaysWhichPhaseSetsIt(t *testing.T) {
	g := NewWithT(t)
	s, err := read("controllers", "exp/controllers")
	g.Expect(err).NotTo(HaveOccurred())
	scopes := 0
	for _, f := range s.all {
		if path.Base(f.path) != "scope.go" {
			continue
		}
		scopes++
		fromTheStart := setInNewScope(inPackage(s, path.Dir(f.path)))
		comment := ""
		for _, field := range scopeFields(f) {
			// A comment is about the fields that follow up to the next one.
			if field.Doc != nil {
				comment = field.Doc.Text()
			}
			for _, name := range field.Names {
				if !fromTheStart[name.Name] && !setBy.MatchString(comment) {
					t.Errorf(`%s: newScope does not set %s: say in its comment which phase does, "Set by X."`, s.position(name), name.Name)
				}
			}
		}
	}
	g.Expect(scopes).To(BeNumerically(">=", 8))
}

// scopeFields are the named fields of a file's type scope.
func scopeFields(f file) (fields []*ast.Field) {
	ast.Inspect(f.File, func(node ast.Node) bool {
		if spec, ok := node.(*ast.TypeSpec); ok && spec.Name.Name == "scope" {
			fields = spec.Type.(*ast.StructType).Fields.List
		}
		return true
	})
	return fields
}

// setInNewScope are the fields that are set where a package makes its scope.
func setInNewScope(files []file) map[string]bool {
	fields := map[string]bool{}
	for _, f := range files {
		for _, declaration := range f.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if !ok || function.Name.Name != "newScope" && !makesScope(function) {
				continue
			}
			ast.Inspect(function, func(node ast.Node) bool {
				switch n := node.(type) {
				case *ast.AssignStmt:
					for _, left := range n.Lhs {
						fields[fieldOf(left)] = true
					}
				case *ast.KeyValueExpr:
					fields[nameOf(n.Key)] = true
				}
				return true
			})
		}
	}
	return fields
}

// fieldOf is the field of a variable that an assignment sets, or sets a part of.
func fieldOf(left ast.Expr) string {
	selected, ok := left.(*ast.SelectorExpr)
	for ok {
		of, deeper := selected.X.(*ast.SelectorExpr)
		if !deeper {
			return selected.Sel.Name
		}
		selected = of
	}
	return ""
}

func makesScope(function *ast.FuncDecl) (makes bool) {
	ast.Inspect(function, func(node ast.Node) bool {
		literal, ok := node.(*ast.CompositeLit)
		makes = makes || ok && nameOf(literal.Type) == "scope"
		return true
	})
	return makes
}
