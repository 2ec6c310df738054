// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
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

// The SDK does not escape what it puts into a path, and users write OCIDs: one could lead to
// another resource. call refuses those that operation.on is told.
func TestEveryOCIDInAPathIsChecked(t *testing.T) {
	g := NewWithT(t)
	services := servicesOf(reflect.TypeFor[oci.Client]())
	tree, err := read("cloud/oci")
	g.Expect(err).NotTo(HaveOccurred())
	checked := 0
	for _, f := range tree.all {
		for _, declaration := range f.Decls {
			inPath, on := 0, 0
			ast.Inspect(declaration, func(node ast.Node) bool {
				if made, ok := node.(*ast.CallExpr); ok && called(made) == "on" {
					on++
				}
				if operation, ok := callTo(node, services); ok && takesPath(operation) {
					inPath++
				}
				return true
			})
			checked += inPath
			g.Expect(on).To(BeNumerically(">=", inPath), "%s: say which OCID is in the path: operation{…}.on(id)", tree.position(declaration))
		}
	}
	g.Expect(checked).To(BeNumerically(">", 50), "the calls are not found")
}

func takesPath(operation sdkCall) bool {
	return slices.ContainsFunc(reflect.VisibleFields(operation.request), func(field reflect.StructField) bool {
		return field.Tag.Get("contributesTo") == "path"
	})
}
