// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"path"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// What a phase finds is lost if the kind's status.go does not compute its condition, or does not
// list it among those that are written.
func TestStatusComputesAndOwnsEveryConditionOfThePhases(t *testing.T) {
	g := NewWithT(t)
	s, err := read("controllers", "exp/controllers")
	g.Expect(err).NotTo(HaveOccurred())
	kinds := map[string][]string{}
	for _, p := range phasesOf(s) {
		kinds[p.folder] = nil
	}
	g.Expect(len(kinds)).To(BeNumerically(">=", 8))
	computed, owned := map[string][]string{}, map[string][]string{}
	for _, f := range s.all {
		folder := path.Dir(f.path)
		if _, ok := kinds[folder]; !ok {
			continue
		}
		names := conditionNames(s, f)
		kinds[folder] = append(kinds[folder], findings(f.File, names)...)
		if path.Base(f.path) == "status.go" {
			computed[folder], owned[folder] = inStatus(f.File, names)
		}
	}
	const strays = "controllers/strays/report.go"
	shared, _ := inStatus(fileOf(s, strays), conditionNames(s, file{strays, fileOf(s, strays)}))
	for folder, found := range kinds {
		g.Expect(found).NotTo(BeEmpty(), "%s: the conditions of the phases are not found", folder)
		for _, condition := range found {
			g.Expect(append(shared, computed[folder]...)).To(ContainElement(condition), "%s: no function of status.go computes a condition of the phases", folder)
			g.Expect(owned[folder]).To(ContainElement(condition), "%s: status.go does not own a condition of the phases", folder)
		}
	}
}

// Two kinds may share an owner of a rule, and nothing else.
func TestNoKindImportsAnother(t *testing.T) {
	g := NewWithT(t)
	s, err := read("controllers", "exp/controllers")
	g.Expect(err).NotTo(HaveOccurred())
	kinds := foldersOfKinds(s)
	for _, f := range s.all {
		if !kinds[path.Dir(f.path)] {
			continue
		}
		for _, imported := range f.Imports {
			name, _ := text(imported.Path)
			if path.Dir(f.path) == "exp/controllers/machinepool" && path.Base(name) == "poolmachine" {
				continue // a pool knows the kinds that its machines' devices belong to
			}
			g.Expect(kinds).NotTo(HaveKey(strings.TrimPrefix(name, "github.com/ocimesh/cluster-api-provider-ocimesh/")), "%s imports another kind", f.path)
		}
	}
}

func fileOf(s *source, name string) *ast.File {
	for _, f := range s.all {
		if f.path == name {
			return f.File
		}
	}
	panic("no file " + name)
}

// findings are the conditions named by the rows of a table of phases, and by what makes findings.
func findings(f *ast.File, names resolver) (found []string) {
	makers := map[string]int{"In": 0, "Unseen": 0, "Note": 0, "NoteUnknown": 0, "WaitFor": 1}
	ast.Inspect(f, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Condition" {
				found = append(found, names.in(n.Value)...)
			}
		case *ast.CallExpr:
			called, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				break
			}
			if at, ok := makers[called.Sel.Name]; ok && at < len(n.Args) {
				found = append(found, names.in(n.Args[at])...)
			}
		}
		return true
	})
	return found
}

// inStatus are the conditions that functions name, and those of report.Types, which deletion is
// one of.
func inStatus(f *ast.File, names resolver) (computed, owned []string) {
	const deletion = "DeletingCondition"
	for _, declaration := range f.Decls {
		if _, ok := declaration.(*ast.FuncDecl); ok {
			computed = append(computed, names.in(declaration)...)
		} else {
			owned = append(owned, names.in(declaration)...)
		}
	}
	// report.Deleting computes it, and is named by what it takes.
	return append(computed, deletion), owned
}

// resolver knows the conditions of the API by the names that a file has for them.
type resolver struct {
	apis   map[string]bool
	locals map[string]string
}

// conditionNames are those of a file. Constants and variables of its package stand for conditions,
// too.
func conditionNames(s *source, f file) resolver {
	names := resolver{importedAPIs(f.File), map[string]string{}}
	for _, other := range inPackage(s, path.Dir(f.path)) {
		found := map[string][]string{}
		defined(found, importedAPIs(other.File), other.File)
		for name, constants := range found {
			for _, condition := range slices.DeleteFunc(constants, func(c string) bool { return !isCondition(c) }) {
				names.locals[name] = condition
			}
		}
	}
	return names
}

func isCondition(name string) bool { return strings.HasSuffix(name, "Condition") }

// in are the conditions below a node.
func (r resolver) in(node ast.Node) (found []string) {
	ast.Inspect(node, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.SelectorExpr:
			if name := constantOf(n, r.apis, false); isCondition(name) {
				found = append(found, name)
			}
			found = append(found, r.in(n.X)...)
			return false
		case *ast.Ident:
			if condition := r.locals[n.Name]; condition != "" {
				found = append(found, condition)
			}
		}
		return true
	})
	return found
}
