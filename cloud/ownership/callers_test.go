// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package ownership_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// harmless are the methods without a proof: they read, or make something new. All others change or
// end what is there.
var harmless = strings.Fields(`
	Check Close Policy TenancyID CompartmentID Region RegionSubscriptions AvailabilityDomains ProbeCompartment
	LimitValues ResourceAvailability Shapes RecentShapes Image Images ImageCompatibleWithShape LoadBalancers NetworkLoadBalancers
	Get List Work GetVCN ListVCNs GetSubnet ListSubnets GetInternetGateway ListInternetGateways GetNATGateway ListNATGateways
	GetRouteTable ListRouteTables GetSecurityList GetNetworkSecurityGroup ListNetworkSecurityGroups ListSecurityRules
	GetInstance ListInstances PrimaryVNIC AttachedVNICs BootVolumesOf LearnBootVolumes DataVolumes DataVolumesSince
	DataVolumeAttachments AllDataVolumeAttachments LaunchFailure GetInstancePool ListInstancePools PoolInstances ScalingFailure
	ListInstanceConfigurations BootVolumeAt AttachedVolumes WorkOf GetConsoleHistory GetConsoleHistoryContent
	Device Devices KnownDevices RecentDevices Routes Keys KeysSince KeyIsLive UsableKeys DescribesKeys

	Create CreateKey LaunchInstance CreateVCN CreateSubnet CreateInternetGateway CreateNATGateway CreateRouteTable
	CreateNetworkSecurityGroup CreateInstanceConfiguration CreateInstancePool`)

func TestEveryVerbThatChangesOrEndsSomethingTakesAProof(t *testing.T) {
	for _, client := range []any{&oci.Client{}, oci.LoadBalancers{}, oci.NetworkLoadBalancers{}, &tailnet.Client{}} {
		of := reflect.TypeOf(client)
		found := 0
		for i := range of.NumMethod() {
			method := of.Method(i)
			takes := false
			for in := range method.Type.NumIn() {
				takes = takes || method.Type.In(in) == reflect.TypeFor[ownership.Proof]()
			}
			if takes {
				found++
			}
			NewWithT(t).Expect(takes).NotTo(Equal(slices.Contains(harmless, method.Name)),
				"%s.%s takes an ownership.Proof, or is among those that change nothing", of, method.Name)
		}
		NewWithT(t).Expect(found).To(BeNumerically(">", 4), "%s", of)
	}
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
