// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
)

// permissions are the statements of README's policy with the operations of cloud/oci that need them
// (Oracle's policy reference, "Details for the Core Services", "Details for IAM", "Viewing Work
// Requests" and those of the two load balancers). Where a statement says more than an operation
// needs, another one of its family needs it.
var permissions = map[string][]string{
	"manage instance-family in compartment": {
		"LaunchInstance", "GetInstance", "ListInstances", "UpdateInstance", "InstanceAction", "TerminateInstance", "GetWorkRequest",
		"GetImage", "ListImages",
		"ListImageShapeCompatibilityEntries", "ListShapes", "ListVnicAttachments", "ListVolumeAttachments", "ListBootVolumeAttachments",
		"CaptureConsoleHistory", "GetConsoleHistory", "GetConsoleHistoryContent", "DeleteConsoleHistory",
	},
	"manage virtual-network-family in compartment": {
		"CreateVcn", "GetVcn", "ListVcns", "UpdateVcn", "DeleteVcn", "CreateSubnet", "GetSubnet", "ListSubnets", "UpdateSubnet", "DeleteSubnet",
		"CreateInternetGateway", "GetInternetGateway", "ListInternetGateways", "UpdateInternetGateway", "DeleteInternetGateway",
		"CreateNatGateway", "GetNatGateway", "ListNatGateways", "UpdateNatGateway", "DeleteNatGateway",
		"CreateRouteTable", "GetRouteTable", "ListRouteTables", "UpdateRouteTable", "DeleteRouteTable", "GetSecurityList", "UpdateSecurityList",
		"CreateNetworkSecurityGroup", "GetNetworkSecurityGroup", "ListNetworkSecurityGroups", "UpdateNetworkSecurityGroup",
		"DeleteNetworkSecurityGroup", "AddNetworkSecurityGroupSecurityRules", "ListNetworkSecurityGroupSecurityRules",
		"RemoveNetworkSecurityGroupSecurityRules", "GetVnic",
	},
	"manage volume-family in compartment": {
		"ListVolumes", "GetVolume", "UpdateVolume", "DeleteVolume",
		"ListBootVolumes", "GetBootVolume", "UpdateBootVolume", "DeleteBootVolume",
	},
	"manage compute-management-family in compartment": {
		"CreateInstanceConfiguration", "ListInstanceConfigurations", "DeleteInstanceConfiguration", "CreateInstancePool", "GetInstancePool",
		"ListInstancePools", "ListInstancePoolInstances", "UpdateInstancePool", "TerminateInstancePool", "DetachInstancePoolInstance",
	},
	"inspect work-requests in compartment":         {"ListWorkRequests", "ListWorkRequestErrors"},
	"inspect compartments in tenancy":              {"ListAvailabilityDomains", "ListFaultDomains"},
	"inspect tenancies in tenancy":                 {"ListRegionSubscriptions"},
	"read resource-availability in tenancy":        {"GetResourceAvailability", "ListLimitValues"},
	"manage network-load-balancers in compartment": {},
	"manage load-balancers in compartment":         {},
}

// balancerOperations make the operations of the two load balancers' services, each of which has one
// resource type.
var balancerOperations = map[string]string{
	"nlbOperation": "manage network-load-balancers in compartment", "lbOperation": "manage load-balancers in compartment",
}

func TestREADMEsPolicyAllowsWhatTheProviderCallsAndNothingElse(t *testing.T) {
	g := NewWithT(t)
	s, err := read("cloud/oci")
	g.Expect(err).NotTo(HaveOccurred())
	called, balanced := operations(s)
	g.Expect(len(called)).To(BeNumerically(">", 50), "the operations are not found")

	var allowed []string
	for statement, names := range permissions {
		allowed = append(allowed, names...)
		if len(names) == 0 {
			g.Expect(balanced).To(ContainElement(statement), "nothing needs the statement")
		}
	}
	slices.Sort(allowed)
	g.Expect(called).To(Equal(allowed), "each operation of cloud/oci is listed with the statement that allows it")

	content, err := os.ReadFile(filepath.Join(root, "README.md"))
	g.Expect(err).NotTo(HaveOccurred())
	var statements []string
	for _, found := range regexp.MustCompile(`(?m)^Allow group capom to (.* in (?:compartment|tenancy))`).FindAllStringSubmatch(string(content), -1) {
		statements = append(statements, found[1])
	}
	var needed []string
	for statement := range permissions {
		needed = append(needed, statement)
	}
	g.Expect(statements).To(ConsistOf(needed))
}

// A test that finds operations by their names passes over one whose name it cannot read.
func TestTheNameOfEveryOperationIsKnown(t *testing.T) {
	s, err := read("cloud/oci")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for _, unknown := range unnamed(s) {
		t.Errorf("%s: give the operation its name there, or list the function in balancerOperations", s.position(unknown))
	}
}

// unnamed are the literals of operations without a name to read, outside balancerOperations, and
// the calls of those functions without one.
func unnamed(s *source) (found []ast.Node) {
	for _, f := range s.all {
		for _, declaration := range f.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			named := ok && balancerOperations[function.Name.Name] != ""
			ast.Inspect(declaration, func(node ast.Node) bool {
				switch n := node.(type) {
				case *ast.CompositeLit:
					kind, ok := n.Type.(*ast.Ident)
					if ok && kind.Name == "operation" && !named && operationName(s, n) == "" {
						found = append(found, n)
					}
				case *ast.CallExpr:
					if balancerOperations[called(n)] != "" {
						if _, ok := text(n.Args[0]); !ok {
							found = append(found, n)
						}
					}
				}
				return true
			})
		}
	}
	return found
}

// operations are the names of all operations, sorted, and the statements for the balancers'.
func operations(s *source) (names, balanced []string) {
	for _, f := range s.all {
		ast.Inspect(f.File, func(node ast.Node) bool {
			switch n := node.(type) {
			case *ast.CompositeLit:
				if name := operationName(s, n); name != "" {
					names = append(names, name)
				}
			case *ast.CallExpr:
				if statement, is := balancerOperations[called(n)]; is {
					balanced = append(balanced, statement)
				}
			}
			return true
		})
	}
	slices.Sort(names)
	return slices.Compact(names), balanced
}

// operationName is the name in a literal of type operation; empty for other literals, and for a
// name that a caller gives.
func operationName(s *source, literal *ast.CompositeLit) string {
	if kind, ok := literal.Type.(*ast.Ident); !ok || kind.Name != "operation" {
		return ""
	}
	for _, element := range literal.Elts {
		pair, isPair := element.(*ast.KeyValueExpr)
		if !isPair {
			continue
		}
		if key, ok := pair.Key.(*ast.Ident); !ok || key.Name != "name" {
			continue
		}
		if name, ok := pair.Value.(*ast.Ident); ok {
			return constant(s, name.Name)
		}
		name, _ := text(pair.Value)
		return name
	}
	return ""
}

// constant is the text of a constant; empty if there is none of this name.
func constant(s *source, name string) (value string) {
	for _, f := range s.all {
		for _, declaration := range f.Decls {
			ast.Inspect(declaration, func(node ast.Node) bool {
				if spec, ok := node.(*ast.ValueSpec); ok && spec.Names[0].Name == name && len(spec.Values) == 1 {
					value, _ = text(spec.Values[0])
				}
				return true
			})
		}
	}
	return value
}
