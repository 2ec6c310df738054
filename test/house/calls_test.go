// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"go/types"
	"reflect"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// The functions call and listAll keep the account's budget, count, log and map errors.
func TestEveryCallToOCIPassesTheGate(t *testing.T) {
	g := NewWithT(t)
	services := servicesOf(reflect.TypeFor[oci.Client]())
	tree, err := read("cloud/oci")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(callsOf(tree, services))).To(BeNumerically(">", 80), "the calls are not found")
	for _, f := range tree.all {
		ast.Inspect(f.File, func(node ast.Node) bool {
			if made, ok := node.(*ast.CallExpr); ok {
				if operation, ok := callTo(made.Fun, services); ok {
					t.Errorf("%s: %s is called past the gate: hand the method to call or listAll", tree.position(made), operation)
				}
			}
			return true
		})
	}
}

// fixedInPath are the parts of paths that the provider itself names, in constants.
var fixedInPath = map[string]string{
	"BackendSetName": "setName of cloud/loadbalancer",
	"ListenerName":   "listenerName of cloud/loadbalancer",
	"ServiceName":    "limitsService of controllers/account",
}

// The SDK does not escape what it puts into a path, and users write OCIDs: one could lead to
// another resource. call refuses the one that operation.on is told.
func TestEveryPartOfAPathIsCheckedOrEscaped(t *testing.T) {
	g := NewWithT(t)
	services := servicesOf(reflect.TypeFor[oci.Client]())
	tree, err := read("cloud/oci")
	g.Expect(err).NotTo(HaveOccurred())
	checked, fixed := 0, map[string]bool{}
	for _, f := range tree.all {
		for _, declaration := range f.Decls {
			on, literals := toldToOn(declaration), literalsIn(f.File, declaration)
			for _, request := range requestsWithPath(declaration, services) {
				made := literals[request.PkgPath()+"."+request.Name()]
				g.Expect(made).NotTo(BeEmpty(), "%s: write %s as a literal where it is sent", tree.position(declaration), request.Name())
				for _, literal := range made {
					for _, part := range pathParts(request) {
						checked++
						fixed[part] = true
						g.Expect(isSafe(literal, part, on)).To(BeTrue(),
							"%s: %s is in the path: tell it to operation.on, or take pathPart, or say in fixedInPath, in this file, where its constant is",
							tree.position(literal), part)
					}
				}
			}
		}
	}
	g.Expect(checked).To(BeNumerically(">", 60), "the calls are not found")
	for part := range fixedInPath {
		g.Expect(fixed).To(HaveKey(part), "it is in no path: it is no exception")
	}
}

// toldToOn are the texts of what a function tells operation.on.
func toldToOn(declaration ast.Node) (told []string) {
	ast.Inspect(declaration, func(node ast.Node) bool {
		if made, ok := node.(*ast.CallExpr); ok && called(made) == "on" {
			told = append(told, types.ExprString(made.Args[0]))
		}
		return true
	})
	return told
}

// requestsWithPath are the requests of the SDK's methods that a function names, if a part of their
// path varies.
func requestsWithPath(declaration ast.Node, services map[string]reflect.Type) (requests []reflect.Type) {
	ast.Inspect(declaration, func(node ast.Node) bool {
		if operation, ok := callTo(node, services); ok && len(pathParts(operation.request)) > 0 {
			requests = append(requests, operation.request)
		}
		return true
	})
	return requests
}

// pathParts are the fields of a request that the SDK puts into its path.
func pathParts(request reflect.Type) (parts []string) {
	for _, field := range reflect.VisibleFields(request) {
		if field.Tag.Get("contributesTo") == "path" {
			parts = append(parts, field.Name)
		}
	}
	return parts
}

// isSafe is whether a literal has a part of the path that operation.on was told, that pathPart has
// escaped, or that is fixed.
func isSafe(literal *ast.CompositeLit, part string, on []string) bool {
	for _, element := range literal.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok || nameOf(pair.Key) != part {
			continue
		}
		switch value := pair.Value.(type) {
		case *ast.UnaryExpr:
			return slices.Contains(on, types.ExprString(value.X)) || fixedInPath[part] != ""
		case *ast.CallExpr:
			return called(value) == "pathPart"
		}
	}
	return false
}
