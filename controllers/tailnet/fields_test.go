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

// asked says of each field of a Tailnet whether the check asks the server for what it needs,
// whether the tailnet's policy is compared with it, and whether a device shows it, so that strays
// are told by it.
var asked = map[string]struct{ inCheck, inPolicy, onDevice bool }{
	"NodeTags": {true, true, true}, "ControlPlaneTags": {true, true, true}, "RouteApproval": {true, true, false},
	// The range is in no token and in no key.
	"VIPRange": {false, true, false},
	// The policy's are those that clusters have, see scope.podRanges.
	"PodRanges": {},
	// They are about the access to the tailnet.
	"LoginServer": {}, "APIURL": {}, "TailnetName": {}, "Credentials": {}, "AllowedNamespaces": {},
}

// Credentials that cannot do what a new field needs would count as valid, a policy that lacks it as
// complete, and what a new field gives devices would tell no stray from a device of somebody
// else's.
func TestItIsKnownOfEveryFieldWhetherCredentialsPolicyAndStraysAreComparedWithIt(t *testing.T) {
	spec := infrav1.TailnetSpec{
		LoginServer: "https://hs.example", APIURL: "https://api.example", TailnetName: "example.org",
		Credentials: infrav1.TailnetCredentials{Type: infrav1.APIKey, SecretRef: infrav1.SecretReference{Name: "tailnet"}},
		NodeTags:    []string{"tag:node"}, ControlPlaneTags: []string{"tag:cp"}, VIPRange: "10.250.0.0/16", PodRanges: []string{"10.244.0.0/14"},
		RouteApproval: infrav1.RouteApprovalPolicy, AllowedNamespaces: infrav1.AllowedNamespaces{List: []string{"default"}},
	}
	// Nothing is asked of the credentials for routes that the policy approves.
	approving := spec
	approving.RouteApproval = infrav1.RouteApprovalProvider
	of := func(spec infrav1.TailnetSpec) *infrav1.Tailnet { return &infrav1.Tailnet{Spec: spec} }
	checks := func(spec infrav1.TailnetSpec) tailnet.CheckSpec { return checkSpec(&scope{tailnet: of(spec)}, true) }
	needs := func(spec infrav1.TailnetSpec) tailnet.PolicyNeeds { return policyNeeds(&scope{tailnet: of(spec)}) }
	ours := []tailnet.Device{{Tags: spec.NodeTags}, {Tags: spec.ControlPlaneTags}}
	for field := range reflect.TypeFor[infrav1.TailnetSpec]().Fields() {
		t.Run(field.Name, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(asked).To(HaveKey(field.Name), "do credentials, a policy or a device have it? Say so here, and in checkSpec, policyNeeds or tagged")
			without := func(whole infrav1.TailnetSpec) infrav1.TailnetSpec {
				value := reflect.ValueOf(&whole).Elem().FieldByName(field.Name)
				g.Expect(value.IsZero()).To(BeFalse(), "set it above")
				value.SetZero()
				return whole
			}
			g.Expect(!reflect.DeepEqual(checks(without(approving)), checks(approving))).To(Equal(asked[field.Name].inCheck), "in the check?")
			g.Expect(!reflect.DeepEqual(needs(without(spec)), needs(spec))).To(Equal(asked[field.Name].inPolicy), "in the policy?")
			other := of(without(spec))
			g.Expect(!tagged(ours[0], other) || !tagged(ours[1], other)).To(Equal(asked[field.Name].onDevice), "on the device?")
		})
	}
	NewWithT(t).Expect(asked).To(HaveLen(reflect.TypeFor[infrav1.TailnetSpec]().NumField()))
}
