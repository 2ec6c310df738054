// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package ownership_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"go/types"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// harmless are the verbs without a proof: they read, make something new, or call nothing. All
// others change or end what is there.
var harmless = strings.Fields(`
	Check Policy RegionSubscriptions AvailabilityDomains ProbeCompartment
	LimitValues ResourceAvailability Shapes RecentShapes Image Images ImageCompatibleWithShape
	Get List Work GetVCN ListVCNs GetSubnet ListSubnets GetInternetGateway ListInternetGateways GetNATGateway ListNATGateways
	GetRouteTable ListRouteTables GetSecurityList GetNetworkSecurityGroup ListNetworkSecurityGroups ListSecurityRules
	GetInstance ListInstances PrimaryVNIC AttachedVNICs BootVolumesOf LearnBootVolumes DataVolumes DataVolumesSince
	DataVolumeAttachments AllDataVolumeAttachments LaunchFailure GetInstancePool ListInstancePools PoolInstances ScalingFailure
	ListInstanceConfigurations BootVolumeAt AttachedVolumes WorkOf GetConsoleHistory GetConsoleHistoryContent
	Device Devices RecentDevices Routes Keys KeysSince KeyIsLive UsableKeys

	Create CreateKey LaunchInstance CreateVCN CreateSubnet CreateInternetGateway CreateNATGateway CreateRouteTable
	CreateNetworkSecurityGroup CreateInstanceConfiguration CreateInstancePool

	Patient`)

func TestEveryVerbThatChangesOrEndsSomethingTakesAProof(t *testing.T) {
	g := NewWithT(t)
	unused := slices.Clone(harmless)
	for folder, atLeast := range map[string]int{"oci": 50, "tailnet": 5} {
		found := 0
		for at, verb := range verbsIn(t, filepath.Join("..", folder)) {
			name := verb.Name.Name
			takes := takesA(verb, "ownership.Proof")
			if takes {
				found++
			}
			g.Expect(takes).NotTo(Equal(slices.Contains(harmless, name)),
				"%s: %s takes an ownership.Proof, or is among those that change nothing", at, name)
			unused = slices.DeleteFunc(unused, func(known string) bool { return known == name })
		}
		g.Expect(found).To(BeNumerically(">=", atLeast), folder)
	}
	g.Expect(unused).To(BeEmpty(), "no verbs of cloud/oci or cloud/tailnet")
}

// verbsIn are the exported functions and methods of a package, by position, that take a context:
// without one nothing is called.
func verbsIn(t *testing.T, folder string) map[string]*ast.FuncDecl {
	t.Helper()
	found := map[string]*ast.FuncDecl{}
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, 0)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		for _, declaration := range file.Decls {
			verb, ok := declaration.(*ast.FuncDecl)
			if ok && verb.Name.IsExported() && takesA(verb, "context.Context") {
				found[files.Position(verb.Pos()).String()] = verb
			}
		}
	}
	return found
}

// takesA is whether a function has a parameter of the type.
func takesA(function *ast.FuncDecl, of string) bool {
	return slices.ContainsFunc(function.Type.Params.List, func(parameter *ast.Field) bool {
		return types.ExprString(parameter.Type) == of
	})
}

// elements are the calls with an element of a list in status as their argument.
var elements = []string{
	"controllers/instances/termination.go: id", // of status.leaving.volumeIDs
}

func TestOnlyWhatStatusHoldsIsTakenAsRecorded(t *testing.T) {
	g := NewWithT(t)
	calls := 0
	for _, folder := range []string{"api", "cloud", "controllers", "exp", "internal"} {
		for path, argument := range callsIn(t, filepath.Join("..", "..", folder), "ownership", "Recorded") {
			calls++
			at := strings.TrimPrefix(path, "../../")
			if i := strings.LastIndex(at, "#"); i >= 0 {
				at = at[:i]
			}
			g.Expect(strings.Contains(argument, ".Status.") || slices.Contains(elements, at+": "+argument)).To(BeTrue(),
				"%s: ownership.Recorded(%s): status is all that users cannot write", at, argument)
		}
	}
	g.Expect(calls).To(BeNumerically(">", 1))
}

// Users write identities, also those of other objects: a token of an identity alone would be used
// up by whoever forges it, and OCI would answer its owner with a refusal or with another's result.
func TestEveryRetryTokenNamesItsOwner(t *testing.T) {
	g := NewWithT(t)
	calls := 0
	for _, folder := range []string{"cloud", "controllers", "exp"} {
		for at, arguments := range callsIn(t, filepath.Join("..", "..", folder), "cloud", "RetryToken") {
			calls++
			g.Expect(arguments).To(ContainSubstring(".Digest()"), "%s: cloud.RetryToken(%s)", at, arguments)
		}
	}
	g.Expect(calls).To(BeNumerically(">", 5))
}

// callsIn are the arguments of all calls of a package's function outside of tests, by file and
// position.
func callsIn(t *testing.T, root, of, function string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(node ast.Node) bool {
			call, isCall := node.(*ast.CallExpr)
			if !isCall {
				return true
			}
			selector, isSelector := call.Fun.(*ast.SelectorExpr)
			if isSelector && selector.Sel.Name == function {
				if owner, isName := selector.X.(*ast.Ident); isName && owner.Name == of {
					var text bytes.Buffer
					for _, argument := range call.Args {
						_ = printer.Fprint(&text, files, argument)
					}
					found[path+"#"+files.Position(call.Pos()).String()] = text.String()
				}
			}
			return true
		})
		return nil
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return found
}
