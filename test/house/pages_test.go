// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"maps"
	"reflect"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
)

// onePage are operations that answer in pages and of which one page is enough.
var onePage = map[string]string{
	"core.ListInstances": "asks for one to see whether it may ask; listAll reads all",
	"core.ListVcns":      "as ListInstances",
	"networkloadbalancer.ListWorkRequestErrors": "the errors of one work request are for a message",
}

// A list of which only the first page is read looks whole in every small world. The methods are the
// SDK's, so that no name of an operation hides one.
func TestListsAreReadToTheLastPage(t *testing.T) {
	g := NewWithT(t)
	services := servicesOf(reflect.TypeFor[oci.Client]())
	s, err := read("cloud/oci")
	g.Expect(err).NotTo(HaveOccurred())
	pages := 0
	var single []string
	for _, f := range s.all {
		paged := toldToPagers(f.File)
		ast.Inspect(f.File, func(node ast.Node) bool {
			operation, ok := callTo(node, services)
			if !ok || !hasPages(operation.request) {
				return true
			}
			if paged[node] {
				pages++
				return true
			}
			single = append(single, operation.String())
			if onePage[operation.String()] == "" {
				t.Errorf("%s: %s has pages: hand it to a pager for listAll, or say in onePage, in this file, why one page is enough", s.position(node), operation)
			}
			return true
		})
	}
	g.Expect(pages).To(BeNumerically(">", 10), "the lists are not found")
	// A further call of the same operation is another matter.
	g.Expect(single).To(ConsistOf(slices.Collect(maps.Keys(onePage))))
}

// toldToPagers are the methods in literals of pagers, which listAll alone takes.
func toldToPagers(f *ast.File) map[ast.Node]bool {
	found := map[ast.Node]bool{}
	ast.Inspect(f, func(node ast.Node) bool {
		literal, ok := node.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if generic, ok := literal.Type.(*ast.IndexListExpr); !ok || nameOf(generic.X) != "pager" {
			return true
		}
		for _, element := range literal.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok && nameOf(pair.Key) == "do" {
				found[pair.Value] = true
			}
		}
		return true
	})
	return found
}

func hasPages(request reflect.Type) bool {
	_, has := request.FieldByName("Page")
	return has
}
