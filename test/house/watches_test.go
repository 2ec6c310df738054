// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"path"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const (
	atThePoll = "a change shows at the next poll"
	forStrays = "asked about a stray that a poll has shown"
)

// unwatched are the objects that a kind's controller reads and does not watch, and why.
var unwatched = map[string]string{
	"controllers/account clusterv1.Cluster":                forStrays,
	"controllers/tailnet clusterv1.Cluster":                forStrays,
	"controllers/tailnet infrav1.OCIMeshMachine":           forStrays,
	"controllers/machine corev1.Secret":                    "the Machine's condition says when there is bootstrap data",
	"controllers/remediation infrav1.OCIMeshCluster":       atThePoll,
	"exp/controllers/machinepool clusterv1.Machine":        "its OCIMeshMachinePoolMachine changes with it, and is watched",
	"exp/controllers/machinepool corev1.Secret":            "the MachinePool says when there is bootstrap data; newer data: " + atThePoll,
	"exp/controllers/poolmachine infrav1.Tailnet":          atThePoll,
	"exp/controllers/poolmachine infrav1.OCIMeshCluster":   atThePoll,
	"exp/controllers/poolmachine expv1.OCIMeshMachinePool": atThePoll,
}

// An object that is read and not watched brings no pass: in tests, which call Reconcile or poll
// often, nothing shows that.
func TestKindsWatchTheObjectsThatTheyRead(t *testing.T) {
	g := NewWithT(t)
	s, err := read("controllers", "exp/controllers")
	g.Expect(err).NotTo(HaveOccurred())
	kinds := foldersOfKinds(s)
	unused := map[string]bool{}
	for name := range unwatched {
		unused[name] = true
	}
	for folder := range kinds {
		watched, reads := map[string]bool{}, map[string]string{}
		for _, f := range inPackage(s, folder) {
			for object, at := range objectsIn(s, f.File) {
				if path.Base(f.path) == "watches.go" {
					watched[object] = true
				} else {
					reads[object] = at
				}
			}
		}
		g.Expect(watched).NotTo(BeEmpty(), "%s: the watches are not found", folder)
		for object, at := range reads {
			name := folder + " " + object
			delete(unused, name)
			if !watched[object] && unwatched[name] == "" {
				t.Errorf("%s: reads %s: watch it in watches.go, or say in unwatched, in this file, what brings the next pass", at, object)
			}
		}
	}
	g.Expect(unused).To(BeEmpty(), "unwatched names what is not read")
}

// objectsIn are the kinds of objects, and of lists of them, that a file makes empty, to read them.
func objectsIn(s *source, f *ast.File) map[string]string {
	found := map[string]string{}
	ast.Inspect(f, func(node ast.Node) bool {
		pointer, ok := node.(*ast.UnaryExpr)
		if !ok {
			return true
		}
		literal, ok := pointer.X.(*ast.CompositeLit)
		if !ok || len(literal.Elts) > 0 {
			return true
		}
		if of, ok := literal.Type.(*ast.SelectorExpr); ok {
			switch alias := nameOf(of.X); alias {
			case "infrav1", "expv1", "clusterv1", "corev1":
				found[alias+"."+strings.TrimSuffix(of.Sel.Name, "List")] = s.position(literal)
			}
		}
		return true
	})
	return found
}
