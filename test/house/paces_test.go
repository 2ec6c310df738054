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
		"api/exp/v1alpha1/conditions.go": "exp/controllers/poolid/paces.go",
	} {
		reasons := constantsOf(fileOf(s, conditions), "", "Reason")
		NewWithT(t).Expect(reasons).NotTo(BeEmpty())
		NewWithT(t).Expect(slices.Collect(maps.Keys(pacesIn(fileOf(s, table))))).To(ConsistOf(slices.Collect(maps.Keys(reasons))), "reasons of %s, paces of %s", conditions, table)
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

// inPackage are the files of one folder.
func inPackage(s *source, folder string) []file {
	return slices.DeleteFunc(slices.Clone(s.all), func(f file) bool { return path.Dir(f.path) != folder })
}
