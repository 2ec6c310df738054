// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

const (
	makesNetworks  = "controllers/cluster/ensure_networks_test.go"
	makesBalancers = "controllers/cluster/endpoint_loadbalancer_test.go"
	makesPools     = "exp/controllers/machinepool/killed_test.go"
	joinsBalancers = "controllers/machine/join_load_balancer_test.go"
)

// answerLost are the operations whose repetition does more than they have done, each with the test
// that loses its answer, or with the reason why none does.
var answerLost = map[string]string{
	"LaunchInstance": "controllers/machine/crash_test.go", "InstanceAction": "controllers/remediation/take_step_test.go",
	"CreateVcn": makesNetworks, "CreateSubnet": makesNetworks, "CreateInternetGateway": makesNetworks, "CreateRouteTable": makesNetworks,
	"CreateNetworkSecurityGroup": makesNetworks, "AddNetworkSecurityGroupSecurityRules": makesNetworks,
	"CreateNetworkLoadBalancer": makesBalancers, "CreateLoadBalancer": makesBalancers,
	"CreateBackend": joinsBalancers, "CreateLoadBalancerBackend": joinsBalancers,
	"CreateInstanceConfiguration": makesPools, "CreateInstancePool": makesPools,

	"CreateNatGateway":                        "made by the function that makes internet gateways",
	"CaptureConsoleHistory":                   "a capture that stays costs nothing",
	"RemoveNetworkSecurityGroupSecurityRules": "rules that are gone are not listed, and not removed again",
	"CreateBackendSet":                        namedPart, "CreateListener": namedPart,
	"CreateLoadBalancerBackendSet": namedPart, "CreateLoadBalancerListener": namedPart,
}

// An answer is lost when the process is killed, or the connection. What was made then belongs to
// nobody, unless the next pass finds it.
func TestTheAnswerOfEveryCallThatMakesSomethingIsLostInATest(t *testing.T) {
	g := NewWithT(t)
	s, err := read("cloud/oci")
	g.Expect(err).NotTo(HaveOccurred())
	var unsafe []string
	names, _ := operations(s)
	for _, name := range append(names, balancers(s)...) {
		if startsWithAny(name, repeatable) {
			continue
		}
		unsafe = append(unsafe, name)
		where := answerLost[name]
		g.Expect(where).NotTo(BeEmpty(), "%s: add a test that loses its answer (sim.Fault with AfterCommit), and name it in answerLost", name)
		if strings.HasSuffix(where, "_test.go") {
			test, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, where), nil, parser.SkipObjectResolution)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(slices.ContainsFunc(test.Decls, func(d ast.Decl) bool { return losesAnswer(d, name) })).To(BeTrue(),
				"%s: no function of %s names it and has a sim.Fault with AfterCommit", name, where)
		}
	}
	for name := range answerLost {
		g.Expect(slices.Contains(unsafe, name)).To(BeTrue(), "%s is not called", name)
	}
}

// losesAnswer is whether a function names the operation and loses an answer.
func losesAnswer(function ast.Decl, operation string) bool {
	names, loses := false, false
	ast.Inspect(function, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.BasicLit:
			value, ok := text(n)
			names = names || ok && value == operation
		case *ast.KeyValueExpr:
			key, ok := n.Key.(*ast.Ident)
			loses = loses || ok && key.Name == "AfterCommit"
		}
		return true
	})
	return names && loses
}

// balancers are the operations of the two load balancers' services.
func balancers(s *source) (names []string) {
	for _, f := range s.all {
		ast.Inspect(f.File, func(node ast.Node) bool {
			if call, ok := node.(*ast.CallExpr); ok && balancerOperations[called(call)] != "" {
				if name, ok := text(call.Args[0]); ok {
					names = append(names, name)
				}
			}
			return true
		})
	}
	return names
}
