// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"reflect"
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

func TestWhichTailnetsAreOfOneNetwork(t *testing.T) {
	of := func(change func(*infrav1.TailnetSpec)) infrav1.TailnetSpec {
		spec := infrav1.TailnetSpec{TailnetName: "-"}
		spec.Credentials.SecretRef = infrav1.SecretReference{Namespace: "capom-system", Name: "tailnet"}
		change(&spec)
		return spec
	}
	tailscale := of(func(*infrav1.TailnetSpec) {})
	otherSecret := of(func(s *infrav1.TailnetSpec) { s.Credentials.SecretRef.Name = "other" })
	headscale := of(func(s *infrav1.TailnetSpec) { s.LoginServer = "https://hs.example" })
	for name, world := range map[string]struct {
		one, other infrav1.TailnetSpec
		same       bool
	}{
		"one Secret at Tailscale":   {tailscale, tailscale, true},
		"two Secrets at Tailscale":  {tailscale, otherSecret, false},
		"Tailscale and a Headscale": {tailscale, headscale, false},
		"two Secrets at one Headscale": {headscale, of(func(s *infrav1.TailnetSpec) {
			s.LoginServer, s.Credentials.SecretRef.Name = "https://HS.example:443/", "other"
		}), true},
		"two Headscales": {headscale, of(func(s *infrav1.TailnetSpec) { s.LoginServer = "https://hs2.example" }), false},
		"one Headscale, with the API's address on one of the two": {headscale, of(func(s *infrav1.TailnetSpec) {
			s.LoginServer, s.APIURL = "https://HS.example:443/", "https://api.hs.example"
		}), true},
		"one Headscale, with two addresses of its API": {
			of(func(s *infrav1.TailnetSpec) { s.LoginServer, s.APIURL = "https://hs.example", "https://10.0.0.1:8443" }),
			of(func(s *infrav1.TailnetSpec) { s.LoginServer, s.APIURL = "https://hs.example", "https://api.hs.example" }), true,
		},
		"one Headscale, with two addresses to log in to": {
			of(func(s *infrav1.TailnetSpec) { s.LoginServer, s.APIURL = "https://hs.example", "https://10.0.0.1:8443" }),
			of(func(s *infrav1.TailnetSpec) {
				s.LoginServer, s.APIURL = "https://mesh.example", "https://10.0.0.1:8443/"
			}), true,
		},
		"one Headscale, with the address of the one's API to log in to": {headscale, of(func(s *infrav1.TailnetSpec) {
			s.LoginServer, s.APIURL = "https://mesh.example", "https://hs.example"
		}), true},
		"two Headscales, with the API's address on one of them": {headscale, of(func(s *infrav1.TailnetSpec) {
			s.LoginServer, s.APIURL = "https://hs2.example", "https://api.hs2.example"
		}), false},
		"two Secrets and one name": {
			of(func(s *infrav1.TailnetSpec) { s.TailnetName = "example.org" }),
			of(func(s *infrav1.TailnetSpec) { s.TailnetName, s.Credentials.SecretRef.Name = "example.org", "other" }), true,
		},
		"one Secret and two names": {
			of(func(s *infrav1.TailnetSpec) { s.TailnetName = "example.org" }), of(func(s *infrav1.TailnetSpec) { s.TailnetName = "example.com" }), false,
		},
		"one Secret, named and not": {tailscale, of(func(s *infrav1.TailnetSpec) { s.TailnetName = "example.org" }), true},
	} {
		t.Run(name, func(t *testing.T) {
			one, other := infrav1.Tailnet{Spec: world.one}, infrav1.Tailnet{Spec: world.other}
			one.Name, other.Name = "one", "other"
			NewWithT(t).Expect(OneTailnet(&one, &other)).To(Equal(world.same))
			NewWithT(t).Expect(OneTailnet(&other, &one)).To(Equal(world.same))
			NewWithT(t).Expect(waits(&one, &other)).To(Equal(SameServer(&one, &other)), "approvals of pod routes wait for each other")
			NewWithT(t).Expect(waits(&other, &one)).To(Equal(SameServer(&one, &other)), "and the other way round")
		})
	}
}

// waits tells whether an approval in the one Tailnet waits for one in the other.
func waits(one, other *infrav1.Tailnet) bool {
	defer lockServer(other)()
	for _, address := range addressesOf(one) {
		lock := lockOf(address)
		if !lock.TryLock() {
			return true
		}
		lock.Unlock()
	}
	return false
}

// tells says of each field of a Tailnet whether it tells networks apart.
var tells = map[string]bool{
	"LoginServer": true, "APIURL": true, "TailnetName": true, "Credentials": true,
	"NodeTags": false, "ControlPlaneTags": false, "VIPRange": false, "PodRanges": false, "RouteApproval": false, "AllowedNamespaces": false,
}

// A field that says which network it is, and is not compared, makes one of two networks.
func TestItIsKnownOfEveryFieldWhetherItTellsNetworksApart(t *testing.T) {
	spec := reflect.TypeFor[infrav1.TailnetSpec]()
	for field := range spec.Fields() {
		NewWithT(t).Expect(tells).To(HaveKey(field.Name), "does it tell networks apart? Say so here, and in OneTailnet and its table")
	}
	NewWithT(t).Expect(tells).To(HaveLen(spec.NumField()))
}
