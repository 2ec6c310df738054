// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"maps"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// onePage are operations that list and have but one page, or of which one is enough.
var onePage = map[string]string{
	"ListAvailabilityDomains":                  "has no pages",
	"ListFaultDomains":                         "has no pages",
	"ListRegionSubscriptions":                  "has no pages",
	"ListInstances":                            "asks for one to see whether it may ask; listAll reads all",
	"ListVcns":                                 "as ListInstances",
	"ListNetworkLoadBalancerWorkRequestErrors": "the errors of one work request are for a message",
}

// A list of which only the first page is read looks whole in every small world.
func TestListsAreReadToTheLastPage(t *testing.T) {
	g := NewWithT(t)
	s, err := read("cloud/oci")
	g.Expect(err).NotTo(HaveOccurred())
	pages := 0
	var single []string
	for _, f := range s.all {
		ast.Inspect(f.File, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch called(call) {
			case "listAll":
				pages++
			case "call":
				for _, argument := range call.Args {
					if name := listIn(argument); name != "" {
						single = append(single, name)
						if onePage[name] == "" {
							t.Errorf("%s: %s is read by call: use listAll, or say in onePage, in this file, why one page is enough", s.position(call), name)
						}
					}
				}
			}
			return true
		})
	}
	g.Expect(pages).To(BeNumerically(">", 10), "the lists are not found")
	// A further call of the same operation is another matter.
	g.Expect(single).To(ConsistOf(slices.Collect(maps.Keys(onePage))))
}

// listIn is the name of a list operation in the argument.
func listIn(argument ast.Expr) (found string) {
	ast.Inspect(argument, func(node ast.Node) bool {
		if literal, ok := node.(*ast.BasicLit); ok {
			if name, is := text(literal); is && strings.HasPrefix(name, "List") {
				found = name
			}
		}
		return true
	})
	return found
}
