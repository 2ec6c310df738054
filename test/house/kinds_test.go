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

const maxMethods = 40

// What has more methods is more than one thing: a part of it with inputs of its own is a type, or a
// package if another kind needs it (docs/decisions/0043-what-a-reconciler-holds.md).
func TestNoTypeOfTheControllersHasTooManyMethods(t *testing.T) {
	g := NewWithT(t)
	s, err := read("controllers", "exp/controllers")
	g.Expect(err).NotTo(HaveOccurred())
	methods := map[string]int{}
	for _, f := range s.all {
		for _, declaration := range f.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok && function.Recv != nil {
				methods[path.Dir(f.path)+"."+receiver(function)]++
			}
		}
	}
	g.Expect(methods).To(HaveKey("controllers/machine.Reconciler"), "the methods are not found")
	for of, number := range methods {
		g.Expect(number).To(BeNumerically("<=", maxMethods), "%s has too many methods", of)
	}
}

func receiver(function *ast.FuncDecl) string {
	of := function.Recv.List[0].Type
	for {
		switch e := of.(type) {
		case *ast.StarExpr:
			of = e.X
		case *ast.IndexExpr:
			of = e.X
		default:
			return nameOf(of)
		}
	}
}

// ofEveryKind are functions of the frame.
var ofEveryKind = []string{"Reconcile", "SetupWithManager", "deletePhases", "newScope", "normalPhases", "updateStatus", "withDefaults"}

// ofBoth are names for two things.
var ofBoth = map[string]string{
	"instanceReady": "each kind's status.go computes the condition, from what its own phases know",
}

// What was written twice for machines and for pools came apart, and one copy lost a rule of
// security (docs/decisions/0025-one-owner-on-the-tailnet.md). Copies mostly keep their names.
func TestNothingIsWrittenForMachinesAndAgainForPools(t *testing.T) {
	g := NewWithT(t)
	s, err := read("controllers/machine", "exp/controllers")
	g.Expect(err).NotTo(HaveOccurred())
	phases := map[bool][]string{}
	for _, p := range phasesOf(s) {
		pools := strings.HasPrefix(p.folder, "exp/")
		phases[pools] = append(phases[pools], p.method)
	}
	machines := functionsIn(below(s, "controllers/machine"))
	g.Expect(len(machines)).To(BeNumerically(">", 100), "the functions are not found")
	common := map[string]bool{}
	for name := range functionsIn(below(s, "exp/controllers")) {
		if machines[name] {
			common[name] = true
		}
	}
	for name := range common {
		isPhase := slices.Contains(phases[false], name) && slices.Contains(phases[true], name)
		if !isPhase && !slices.Contains(ofEveryKind, name) && ofBoth[name] == "" {
			t.Errorf("machines and pools each have a function %s: give the rule one owner, or say in ofBoth, in this file, why these are two", name)
		}
	}
	for name := range ofBoth {
		g.Expect(common).To(HaveKey(name), "ofBoth names what is not there twice")
	}
}

func functionsIn(files []file) map[string]bool {
	found := map[string]bool{}
	for _, f := range files {
		for _, declaration := range f.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok {
				found[function.Name.Name] = true
			}
		}
	}
	return found
}
