// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"go/token"
	"strings"

	clusterv1 "sigs.k8s.io/cluster-api/api/core/v1beta2"
)

// finding is a reason that a kind's controller sets on a condition, which is empty where only the
// caller knows it.
type finding struct{ folder, condition, reason string }

// findingsOf are those of a folder's code, with positions.
func findingsOf(s *source, folder string) map[finding]string {
	found := map[finding]string{}
	files := inPackage(s, folder)
	for _, f := range files {
		for _, declaration := range f.Decls {
			w := setter{importedAPIs(f.File), namesIn(files, f, declaration), func(at ast.Node, condition, reason string) {
				found[finding{folder, textOf(condition), textOf(reason)}] = s.position(at)
			}}
			w.walk(declaration, nil)
		}
	}
	return found
}

// textOf is the text of a condition or a reason, which the constant is named by. One of Cluster
// API's is not.
func textOf(constant string) string {
	if constant == "WaitingForClusterInfrastructureReason" {
		return clusterv1.WaitingForClusterInfrastructureReadyReason
	}
	return strings.TrimSuffix(strings.TrimSuffix(constant, "Condition"), "Reason")
}

// setter walks through a declaration, and notes the reasons that it sets: those that it hands on,
// assigns or returns. What it compares with is none.
type setter struct {
	apis  map[string]bool
	names map[string][]string
	note  func(at ast.Node, condition, reason string)
}

// walk goes through what is below a node, within what names the conditions.
func (w setter) walk(node ast.Node, conditions []string) {
	ast.Inspect(node, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.CallExpr:
			w.walk(n.Fun, conditions)
			w.walkAll(n.Args, conditions)
			return false
		case *ast.CompositeLit:
			var values []ast.Expr
			for _, element := range n.Elts {
				if pair, ok := element.(*ast.KeyValueExpr); ok {
					values = append(values, pair.Value)
				} else {
					w.walk(element, conditions)
				}
			}
			w.walkAll(values, conditions)
			return false
		case *ast.AssignStmt:
			for i, value := range n.Rhs {
				if i < len(n.Lhs) && nameOf(n.Lhs[i]) == "Deletion" {
					w.walkAll([]ast.Expr{value}, []string{clusterv1.DeletingCondition})
				} else {
					w.walkAll([]ast.Expr{value}, conditions)
				}
			}
			return false
		case *ast.ReturnStmt:
			w.walkAll(n.Results, conditions)
			return false
		}
		return true
	})
}

// walkAll goes through expressions beside each other, one of which may name the condition of the
// others.
func (w setter) walkAll(expressions []ast.Expr, conditions []string) {
	for _, expression := range expressions {
		if named := w.constants(expression, "Condition"); len(named) > 0 {
			conditions = named
			break
		}
	}
	if len(conditions) == 0 {
		conditions = []string{""}
	}
	for _, expression := range expressions {
		for _, reason := range w.constants(expression, "Reason") {
			for _, condition := range conditions {
				w.note(expression, condition, reason)
			}
		}
		w.walk(expression, conditions)
	}
}

// constants are those with such names that an expression stands for.
func (w setter) constants(expression ast.Expr, ending string) (found []string) {
	names := []string{constantOf(expression, w.apis, false)}
	if local, ok := expression.(*ast.Ident); ok {
		names = w.names[local.Name]
	}
	for _, name := range names {
		if strings.HasSuffix(name, ending) {
			found = append(found, name)
		}
	}
	return found
}

// namesIn are the constants of the API that a declaration's names stand for: those of the package,
// its own, and those that callers hand it.
func namesIn(files []file, f file, declaration ast.Decl) map[string][]string {
	names := map[string][]string{}
	for _, other := range files {
		for _, outer := range other.Decls {
			if general, ok := outer.(*ast.GenDecl); ok && general.Tok != token.IMPORT {
				defined(names, importedAPIs(other.File), general)
			}
		}
	}
	defined(names, importedAPIs(f.File), declaration)
	function, ok := declaration.(*ast.FuncDecl)
	if !ok {
		return names
	}
	var parameters []string
	for _, parameter := range function.Type.Params.List {
		for _, name := range parameter.Names {
			parameters = append(parameters, name.Name)
		}
	}
	for _, caller := range files {
		for _, outer := range caller.Decls {
			w := setter{importedAPIs(caller.File), map[string][]string{}, nil}
			defined(w.names, w.apis, outer)
			ast.Inspect(outer, func(node ast.Node) bool {
				call, ok := node.(*ast.CallExpr)
				if !ok || called(call) != function.Name.Name || len(call.Args) < len(parameters) {
					return true
				}
				for i, name := range parameters {
					names[name] = append(names[name], w.constants(call.Args[i], "")...)
				}
				return true
			})
		}
	}
	return names
}

// defined adds the names that are defined below a node as constants of the API.
func defined(names map[string][]string, apis map[string]bool, node ast.Node) {
	define := func(name, value ast.Expr) {
		if constant := constantOf(value, apis, false); constant != "" {
			names[nameOf(name)] = append(names[nameOf(name)], constant)
		}
	}
	ast.Inspect(node, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.ValueSpec:
			for i := range n.Values {
				define(n.Names[i], n.Values[i])
			}
		case *ast.AssignStmt:
			for i := range n.Rhs {
				define(n.Lhs[i], n.Rhs[i])
			}
		}
		return true
	})
}
