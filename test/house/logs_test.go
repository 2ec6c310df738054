// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
	"unicode"

	. "github.com/onsi/gomega"
)

// keysAfter is where the keys begin in a logger's call.
var keysAfter = map[string]int{"Info": 1, "Error": 2, "WithValues": 0}

// objects are the ways to log one: by its kind, as Cluster API's controllers do (its book,
// "Logging"). accountRef is cloud/oci's, which knows no klog.
var objects = []string{"KObj", "KRef", "KObjs", "accountRef"}

// kindsOnly are words that name objects: their keys are the kinds.
var kindsOnly = []string{"account", "tailnet", "machine", "node", "cluster", "pod", "object"}

// Whoever looks for one account in the logs looks for one key.
func TestLogsNameObjectsByTheirKindAndAllElseInLowerCase(t *testing.T) {
	s, err := read(".")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	found := 0
	for _, f := range s.all {
		if strings.HasPrefix(f.path, "test/") || strings.HasPrefix(f.path, "internal/testing/") || strings.HasPrefix(f.path, "hack/") {
			continue
		}
		ast.Inspect(f.File, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			from, logs := keysAfter[called(call)]
			for i := from; logs && i+1 < len(call.Args); i += 2 {
				key, ok := text(call.Args[i])
				if !ok || key == "" {
					continue
				}
				found++
				of, _ := call.Args[i+1].(*ast.CallExpr)
				object := of != nil && slices.Contains(objects, called(of))
				if isKind := unicode.IsUpper(rune(key[0])); isKind != object || slices.Contains(kindsOnly, key) {
					t.Errorf("%s: %q: the key of an object is its kind, with klog.KObj or KRef; other keys begin in lower case", s.position(call), key)
				}
			}
			return true
		})
	}
	NewWithT(t).Expect(found).To(BeNumerically(">", 50), "the keys of logs are not found")
}
