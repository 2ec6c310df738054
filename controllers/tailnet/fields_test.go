// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"reflect"
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// asked says of each field of a Tailnet whether the tailnet's policy is compared with it, and
// whether a device shows it, so that strays are told by it.
var asked = map[string]struct{ inPolicy, onDevice bool }{
	"NodeTags": {true, true}, "ControlPlaneTags": {true, true}, "VIPRange": {true, false}, "RouteApproval": {true, false},
	// The policy's are those that clusters have, see scope.podRanges.
	"PodRanges": {},
	// They are about the access to the tailnet.
	"LoginServer": {}, "APIURL": {}, "TailnetName": {}, "Credentials": {}, "AllowedNamespaces": {},
}

// A policy that lacks what a new field needs would count as complete, and what a new field gives
// devices would tell no stray from a device of somebody else's.
func TestItIsKnownOfEveryFieldWhetherThePolicyAndStraysAreComparedWithIt(t *testing.T) {
	spec := infrav1.TailnetSpec{
		LoginServer: "https://hs.example", APIURL: "https://api.example", TailnetName: "example.org",
		Credentials: infrav1.TailnetCredentials{Type: infrav1.APIKey, SecretRef: infrav1.SecretReference{Name: "tailnet"}},
		NodeTags:    []string{"tag:node"}, ControlPlaneTags: []string{"tag:cp"}, VIPRange: "10.250.0.0/16", PodRanges: []string{"10.244.0.0/14"},
		RouteApproval: infrav1.RouteApprovalPolicy, AllowedNamespaces: infrav1.AllowedNamespaces{List: []string{"default"}},
	}
	of := func(spec infrav1.TailnetSpec) *infrav1.Tailnet { return &infrav1.Tailnet{Spec: spec} }
	needs := func(spec infrav1.TailnetSpec) tailnet.PolicyNeeds { return policyNeeds(&scope{tailnet: of(spec)}) }
	ours := []tailnet.Device{{Tags: spec.NodeTags}, {Tags: spec.ControlPlaneTags}}
	for field := range reflect.TypeFor[infrav1.TailnetSpec]().Fields() {
		t.Run(field.Name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(asked).To(HaveKey(field.Name), "does a policy or a device have it? Say so here, and in policyNeeds or tagged")
			without := spec
			value := reflect.ValueOf(&without).Elem().FieldByName(field.Name)
			g.Expect(value.IsZero()).To(BeFalse(), "set it above")
			value.SetZero()
			g.Expect(!reflect.DeepEqual(needs(without), needs(spec))).To(Equal(asked[field.Name].inPolicy), "in the policy?")
			g.Expect(!tagged(ours[0], of(without)) || !tagged(ours[1], of(without))).To(Equal(asked[field.Name].onDevice), "on the device?")
		})
	}
	NewWithT(t).Expect(asked).To(HaveLen(reflect.TypeFor[infrav1.TailnetSpec]().NumField()))
}
