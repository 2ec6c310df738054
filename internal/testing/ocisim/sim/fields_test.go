// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package sim_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/internal/testing/ocisim/model"
)

// A field that is accepted and ignored lets a caller believe that it has an effect. What an answer
// gives back is seen by the caller, and a field with one allowed value says nothing.
func TestNoFieldOfARequestIsAcceptedAndIgnored(t *testing.T) {
	g := NewWithT(t)
	used, taken, given := fieldsRead(t), map[reflect.Type]bool{}, map[reflect.Type]bool{}
	state := reflect.TypeFor[*model.State]()
	for i := range state.NumMethod() {
		takes, gives := bodiesOf(state.Method(i))
		objectsOf(takes, taken)
		objectsOf(gives, given)
	}
	g.Expect(len(taken)).To(BeNumerically(">", 50))
	for of := range taken {
		if given[of] {
			continue
		}
		for field := range of.Fields() {
			enum := field.Tag.Get("enum")
			if field.Anonymous || enum != "" && !strings.Contains(enum, "|") {
				continue
			}
			g.Expect(used[field.Name]).To(BeTrue(), "%s.%s is read nowhere: without it OCI's field is refused", of, field.Name)
		}
	}
}

// objectsOf notes the structs of a body.
func objectsOf(of reflect.Type, noted map[reflect.Type]bool) {
	if of == nil || !isObject(plain(of)) || noted[plain(of)] {
		return
	}
	noted[plain(of)] = true
	for _, field := range fieldsOf(plain(of), nil) {
		objectsOf(field, noted)
	}
}

// fieldsRead are the names behind a dot in the simulator's code.
func fieldsRead(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, folder := range []string{"../model", "../server"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		for _, name := range files {
			parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			ast.Inspect(parsed, func(node ast.Node) bool {
				if selector, ok := node.(*ast.SelectorExpr); ok {
					found[selector.Sel.Name] = true
				}
				return true
			})
		}
	}
	return found
}
