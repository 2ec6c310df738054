// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode"

	. "github.com/onsi/gomega"
)

var setBy = regexp.MustCompile(`Set\s+by\s+([\w\s,]+)[.;]`)

// Who reads a field of a scope has to know which phase fills it.
func TestScopesNameThePhasesThatFillTheirFields(t *testing.T) {
	g := NewWithT(t)
	s, err := read("controllers", "exp/controllers")
	g.Expect(err).NotTo(HaveOccurred())
	found := 0
	for _, f := range s.all {
		if path.Base(f.path) != "scope.go" {
			continue
		}
		functions := map[string]bool{"and": true, "or": true}
		for _, other := range inPackage(s, path.Dir(f.path)) {
			for _, declaration := range other.Decls {
				if function, ok := declaration.(*ast.FuncDecl); ok {
					functions[function.Name.Name] = true
				}
			}
		}
		for _, comment := range f.Comments {
			for _, match := range setBy.FindAllStringSubmatch(comment.Text(), -1) {
				found++
				for _, name := range strings.FieldsFunc(match[1], func(r rune) bool { return unicode.IsSpace(r) || r == ',' }) {
					g.Expect(functions).To(HaveKey(name), "%s: a field is set by what does not exist", s.position(comment))
				}
			}
		}
	}
	g.Expect(found).To(BeNumerically(">", 30), "the comments are not found")
}

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
