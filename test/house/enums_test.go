// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"go/token"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const module = "github.com/ocimesh/cluster-api-provider-ocimesh/"

// enum is a type of the API with few values.
type enum struct {
	// marked are the values that the CRD takes, values those of the constants by name.
	marked []string
	values map[string]string
}

var enumMarker = regexp.MustCompile(`(?m)^\+kubebuilder:validation:Enum=(.*)$`)

// enums are those of the API, by name.
func enums(s *source) map[string]*enum {
	all := map[string]*enum{}
	for _, f := range below(s, "api/") {
		for _, declaration := range f.Decls {
			types, ok := declaration.(*ast.GenDecl)
			if !ok || types.Tok != token.TYPE || types.Doc == nil {
				continue
			}
			var comment []string
			for _, line := range types.Doc.List {
				comment = append(comment, strings.TrimPrefix(line.Text, "// "))
			}
			if marker := enumMarker.FindStringSubmatch(strings.Join(comment, "\n")); marker != nil {
				name := types.Specs[0].(*ast.TypeSpec).Name.Name
				all[name] = &enum{marked: strings.Split(marker[1], ";"), values: map[string]string{}}
			}
		}
	}
	for _, f := range below(s, "api/") {
		ast.Inspect(f.File, func(node ast.Node) bool {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			if of, ok := spec.Type.(*ast.Ident); ok && all[of.Name] != nil {
				all[of.Name].values[spec.Names[0].Name], _ = text(spec.Values[0])
			}
			return true
		})
	}
	return all
}

func TestEveryValueOfAnEnumHasAConstant(t *testing.T) {
	g := NewWithT(t)
	s, err := read("api")
	g.Expect(err).NotTo(HaveOccurred())
	all := enums(s)
	g.Expect(len(all)).To(BeNumerically(">=", 12), "the enums of the API are not found")
	for name, of := range all {
		if name == "FileSystem" {
			continue // goes to the node as it is: nothing asks which it is
		}
		g.Expect(slices.Collect(maps.Values(of.values))).To(ConsistOf(of.marked), "the constants of %s, and its marker", name)
	}
}

var (
	celRule   = regexp.MustCompile(`XValidation:rule="([^"]*)"`)
	compared  = regexp.MustCompile(`[=!]= '([^']+)'`)
	oneOf     = regexp.MustCompile(` in \[([^\]]*)\]`)
	oneOfText = regexp.MustCompile(`'([^']+)'`)
)

// CEL compares with any text: a value that there is no more is never met.
func TestRulesOfTheAPICompareWithValuesThatThereAre(t *testing.T) {
	g := NewWithT(t)
	s, err := read("api")
	g.Expect(err).NotTo(HaveOccurred())
	var known []string
	for _, of := range enums(s) {
		known = append(known, of.marked...)
	}
	found := 0
	for _, f := range s.all {
		for _, comment := range f.Comments {
			for _, line := range comment.List {
				for _, rule := range celRule.FindAllStringSubmatch(line.Text, -1) {
					texts := compared.FindAllStringSubmatch(rule[1], -1)
					for _, list := range oneOf.FindAllStringSubmatch(rule[1], -1) {
						texts = append(texts, oneOfText.FindAllStringSubmatch(list[1], -1)...)
					}
					for _, text := range texts {
						found++
						g.Expect(known).To(ContainElement(text[1]), "%s: %s", s.position(line), rule[1])
					}
				}
			}
		}
	}
	g.Expect(found).To(BeNumerically(">", 5), "the comparisons are not found")
}

// A further value must not take the way of the others unseen. So only methods of the type compare,
// and each switch names all values, or ends with an error.
func TestAFurtherValueOfAnEnumIsSeenWhereverValuesMatter(t *testing.T) {
	g := NewWithT(t)
	s, err := read("api", "cloud", "controllers", "exp", "internal/webhooks")
	g.Expect(err).NotTo(HaveOccurred())
	all := enums(s)
	typeOf := map[string]string{}
	for name, of := range all {
		for constant := range of.values {
			typeOf[constant] = name
		}
	}
	switches := 0
	for _, f := range s.all {
		apis := importedAPIs(f.File)
		constant := func(expression ast.Expr) string { return constantOf(expression, apis, f.Name.Name == "v1alpha1") }
		ast.Inspect(f.File, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.BinaryExpr:
				for _, side := range []ast.Expr{n.X, n.Y} {
					if name := typeOf[constant(side)]; name != "" && (n.Op == token.EQL || n.Op == token.NEQ) {
						t.Errorf("%s: compares with a value of %s: have a method of the type answer, with a switch", s.position(n), name)
					}
				}
			case *ast.SwitchStmt:
				named, fails := casesOf(n, constant)
				of := all[typeOf[first(named)]]
				if of == nil || fails {
					break
				}
				switches++
				for value := range of.values {
					if !slices.Contains(named, value) {
						t.Errorf("%s: the switch does not say what becomes of %s", s.position(n), value)
					}
				}
			}
			return true
		})
	}
	g.Expect(switches).To(BeNumerically(">", 10), "the switches are not found")
}

// importedAPIs are the names by which a file knows the packages of the API.
func importedAPIs(f *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, imported := range f.Imports {
		path, _ := text(imported.Path)
		if !strings.HasPrefix(path, module+"api/") {
			continue
		}
		name := path[strings.LastIndex(path, "/")+1:]
		if imported.Name != nil {
			name = imported.Name.Name
		}
		names[name] = true
	}
	return names
}

// constantOf is the name of a constant of the API, if the expression may be one: package.Name, or
// Name within the API.
func constantOf(expression ast.Expr, apis map[string]bool, within bool) string {
	switch e := expression.(type) {
	case *ast.SelectorExpr:
		if of, ok := e.X.(*ast.Ident); ok && apis[of.Name] {
			return e.Sel.Name
		}
	case *ast.Ident:
		if within {
			return e.Name
		}
	}
	return ""
}

// casesOf are the constants that a switch names, and whether it makes an error of all others.
func casesOf(n *ast.SwitchStmt, constant func(ast.Expr) string) (named []string, fails bool) {
	for _, statement := range n.Body.List {
		clause := statement.(*ast.CaseClause)
		for _, value := range clause.List {
			if name := constant(value); name != "" {
				named = append(named, name)
			}
		}
		if clause.List != nil {
			continue
		}
		ast.Inspect(clause, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			fails = fails || ok && (called(call) == "Errorf" || called(call) == "NewProblem")
			return true
		})
	}
	return named, fails
}

func first(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}
