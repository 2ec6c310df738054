// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"maps"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// A launch that ends with a shortage goes elsewhere for a while, after a refusal until the account
// is changed; all else is asked again.
const shortage, refusal, passing = "shortage", "refusal", "passing"

// ofALaunch says of every kind of error what it is of a launch.
var ofALaunch = map[cloud.Kind]string{
	cloud.OutOfCapacity: shortage, cloud.LimitExceeded: shortage, cloud.QuotaExceeded: shortage,

	cloud.InvalidRequest: refusal, cloud.NotFoundOrUnauthorized: refusal, cloud.RelatedNotFoundOrUnauthorized: refusal,
	cloud.ExistsOrUnauthorized: refusal, cloud.Unauthenticated: refusal, cloud.Forbidden: refusal,

	// The clients of an account with InvalidCredentials send nothing: its condition tells it.
	cloud.InvalidCredentials: passing,
	cloud.Throttled:          passing, cloud.Conflict: passing, cloud.Unavailable: passing, cloud.Unknown: passing,
}

// kindsOfErrors are those of cloud/errors.go.
func kindsOfErrors(t *testing.T) (all []cloud.Kind) {
	t.Helper()
	s, err := read("cloud")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for _, value := range constantsOfType(fileOf(s, "cloud/errors.go"), "Kind") {
		all = append(all, cloud.Kind(value))
	}
	return all
}

func TestOfEveryKindOfErrorItIsSaidWhetherALaunchGoesElsewhere(t *testing.T) {
	g := NewWithT(t)
	g.Expect(slices.Collect(maps.Keys(ofALaunch))).To(ConsistOf(kindsOfErrors(t)), "cloud/errors.go, and ofALaunch in this file")
	for kind, is := range ofALaunch {
		err := &cloud.Error{Kind: kind}
		g.Expect(capacity.IsShortage(err)).To(Equal(is == shortage), "capacity.IsShortage of %s", kind)
		g.Expect(capacity.IsRefusal(err)).To(Equal(is == refusal), "capacity.IsRefusal of %s", kind)
	}
}

// Of an Unknown error there is nothing to advise, and it may be ours.
func TestEveryKindOfErrorHasARemedyAndAReason(t *testing.T) {
	g := NewWithT(t)
	for _, kind := range kindsOfErrors(t) {
		err := &cloud.Error{Kind: kind, Message: "no"}
		known := kind != cloud.Unknown
		g.Expect(cloud.UserMessage(err) != err.Error()).To(Equal(known), "remedies, in cloud/errors.go, has %s", kind)
		g.Expect(access.AsProblem(err).Reason != infrav1.InternalErrorReason).To(Equal(known), "kindReasons, in controllers/access/problem.go, has %s", kind)
	}
}

// One without a kind would be told as an error of ours.
func TestEveryRefusalOfATailnetHasAKind(t *testing.T) {
	g := NewWithT(t)
	s, err := read("cloud/tailnet")
	g.Expect(err).NotTo(HaveOccurred())
	refusals := map[string]string{}
	for _, f := range s.all {
		maps.Copy(refusals, constantsOfType(f.File, "Reason"))
	}
	g.Expect(len(refusals)).To(BeNumerically(">", 10), "the reasons are not found")
	g.Expect(keysOfTable(fileOf(s, "cloud/tailnet/errors.go"), "kinds")).To(ConsistOf(slices.Collect(maps.Keys(refusals))), "kinds, in cloud/tailnet/errors.go")
}

// keysOfTable are the constants that a file's table has rows for.
func keysOfTable(f *ast.File, table string) (keys []string) {
	ast.Inspect(f, func(node ast.Node) bool {
		if spec, ok := node.(*ast.ValueSpec); ok && spec.Names[0].Name == table && len(spec.Values) == 1 {
			if literal, ok := spec.Values[0].(*ast.CompositeLit); ok {
				keys = append(keys, keysOf(literal)...)
			}
		}
		return true
	})
	return keys
}

// Phases return errors of the management cluster's API server untold. Those of a cluster's own
// belong in a condition, and only controllers/workload can tell one from the other.
func TestWhatAsksAClustersOwnAPIServerMakesItsErrorsProblems(t *testing.T) {
	g := NewWithT(t)
	s, err := read("controllers/workload")
	g.Expect(err).NotTo(HaveOccurred())
	calls, asking := map[string][]string{}, []string{}
	for _, f := range s.all {
		for _, declaration := range f.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok {
				calls[function.Name.Name] = append(calls[function.Name.Name], callsIn(function)...)
				if function.Name.IsExported() && returnsError(function) && function.Name.Name != "ControlPlanes" {
					asking = append(asking, function.Name.Name)
				}
			}
		}
	}
	g.Expect(len(asking)).To(BeNumerically(">", 7), "the functions are not found")
	for _, name := range asking {
		isMade := func(called string) bool { return called == "ofCluster" || slices.Contains(calls[called], "ofCluster") }
		g.Expect(slices.ContainsFunc(calls[name], isMade)).To(BeTrue(), "controllers/workload: %s returns errors past ofCluster", name)
	}
}

// callsIn are the functions and methods that a function calls.
func callsIn(function *ast.FuncDecl) (names []string) {
	ast.Inspect(function, func(node ast.Node) bool {
		if call, ok := node.(*ast.CallExpr); ok {
			names = append(names, called(call))
		}
		return true
	})
	return names
}

func returnsError(function *ast.FuncDecl) bool {
	results := function.Type.Results
	return results != nil && nameOf(results.List[len(results.List)-1].Type) == "error"
}
