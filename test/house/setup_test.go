// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// A field that setup.go leaves out is nil in production, and set in the tests of the controller.
func TestSetupFillsEveryFieldOfEveryReconciler(t *testing.T) {
	g := NewWithT(t)
	s, err := read("setup.go", "controllers", "exp/controllers")
	g.Expect(err).NotTo(HaveOccurred())
	filled := reconcilersIn(fileOf(s, "setup.go"))
	g.Expect(len(filled)).To(BeNumerically(">=", 8), "the reconcilers are not found")
	for folder, fields := range filled {
		for _, f := range inPackage(s, folder) {
			fields = append(fields, setOnR(f.File)...)
		}
		declared := exportedFields(s, folder)
		g.Expect(declared).NotTo(BeEmpty(), "%s has no Reconciler", folder)
		for _, field := range declared {
			g.Expect(fields).To(ContainElement(field), "setup.go leaves out %s of %s's Reconciler", field, folder)
		}
	}
}

// reconcilersIn are the fields of the literals of Reconcilers, by the folder of their package.
func reconcilersIn(f *ast.File) map[string][]string {
	folders := map[string]string{}
	for _, imported := range f.Imports {
		path, _ := text(imported.Path)
		if folder, ours := strings.CutPrefix(path, module); ours {
			folders[folder[strings.LastIndex(folder, "/")+1:]] = folder
		}
	}
	found := map[string][]string{}
	ast.Inspect(f, func(node ast.Node) bool {
		literal, ok := node.(*ast.CompositeLit)
		if !ok {
			return true
		}
		of, ok := literal.Type.(*ast.SelectorExpr)
		if !ok || of.Sel.Name != "Reconciler" {
			return true
		}
		folder := folders[nameOf(of.X)]
		for _, element := range literal.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok {
				found[folder] = append(found[folder], nameOf(pair.Key))
			}
		}
		return true
	})
	return found
}

// setOnR are the fields that SetupWithManager sets.
func setOnR(f *ast.File) (found []string) {
	for _, declaration := range f.Decls {
		function, ok := declaration.(*ast.FuncDecl)
		if !ok || function.Name.Name != "SetupWithManager" {
			continue
		}
		ast.Inspect(function, func(node ast.Node) bool {
			assigned, ok := node.(*ast.AssignStmt)
			if !ok {
				return true
			}
			for _, to := range assigned.Lhs {
				if selector, ok := to.(*ast.SelectorExpr); ok && nameOf(selector.X) == "r" {
					found = append(found, selector.Sel.Name)
				}
			}
			return true
		})
	}
	return found
}

// exportedFields are those of the package's Reconciler.
func exportedFields(s *source, folder string) (found []string) {
	for _, f := range inPackage(s, folder) {
		ast.Inspect(f.File, func(node ast.Node) bool {
			spec, ok := node.(*ast.TypeSpec)
			if !ok || spec.Name.Name != "Reconciler" {
				return true
			}
			for _, field := range spec.Type.(*ast.StructType).Fields.List {
				for _, name := range field.Names {
					if name.IsExported() {
						found = append(found, name.Name)
					}
				}
			}
			return false
		})
	}
	return found
}
