// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnetnode

import (
	"net/netip"
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/tailnet"
)

// What else is in tailnets, and which pod networks it stands against: with no podRanges, and with
// some.
func TestWhichRoutesStandAgainstAPodRoute(t *testing.T) {
	type network struct{ pods, route string }
	standard, home, homePart, office := network{"10.244.0.0/16", "10.244.3.0/24"}, network{"192.168.1.0/24", "192.168.1.0/25"},
		network{"192.168.1.128/25", "192.168.1.128/26"}, network{"10.20.0.0/16", "10.20.3.0/24"}
	for name, world := range map[string]struct {
		enabled   string
		against   []network
		podRanges []string
	}{
		"an exit node":                          {enabled: "0.0.0.0/0"},
		"an exit node of IPv6":                  {enabled: "::/0"},
		"an office router":                      {enabled: "10.0.0.0/8"},
		"a router of much":                      {enabled: "172.16.0.0/12"},
		"a home router":                         {enabled: "192.168.1.0/24", against: []network{home, homePart}},
		"a connector of the same pods":          {enabled: "10.244.0.0/16", against: []network{standard}},
		"a connector of other pods":             {enabled: "10.42.0.0/16"},
		"half of the pod network":               {enabled: "10.244.0.0/17", against: []network{standard}},
		"the other half of it":                  {enabled: "10.244.128.0/17"},
		"the same route":                        {enabled: "10.244.3.0/24", against: []network{standard}},
		"a node's of another cluster":           {enabled: "10.244.3.0/24", against: []network{standard}},
		"a router of half of 10.0.0.0/8":        {enabled: "10.128.0.0/9"},
		"a router of a few offices":             {enabled: "10.240.0.0/12"},
		"a single address":                      {enabled: "10.244.3.7/32", against: []network{standard}},
		"a single address elsewhere":            {enabled: "10.244.4.7/32"},
		"a home router, its network given away": {enabled: "192.168.1.0/24", against: []network{home, homePart}, podRanges: []string{"192.168.0.0/16"}},
		"a home router, a part of it given away": {
			enabled: "192.168.1.0/24", against: []network{home}, podRanges: []string{"192.168.1.128/25", "10.0.0.0/8"},
		},
		"a part of the pods, all given away": {enabled: "10.244.3.7/32", against: []network{standard}, podRanges: []string{"10.244.0.0/16"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			tn := &infrav1.Tailnet{Spec: infrav1.TailnetSpec{PodRanges: world.podRanges}}
			other := tailnet.Device{ID: "other", Routes: tailnet.Routes{Enabled: []netip.Prefix{
				netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix(world.enabled),
			}}}
			for _, n := range []network{standard, home, homePart, office} {
				taken, conflict := Conflict(tn, other, netip.MustParsePrefix(n.route), netip.MustParsePrefix(n.pods))
				g.Expect(conflict).To(Equal(slices.Contains(world.against, n)), "pods %s, route %s", n.pods, n.route)
				if conflict {
					g.Expect(taken.String()).To(Equal(world.enabled))
				}
			}
		})
	}
}

// A route that nobody has approved draws nothing.
func TestRoutesThatAreOnlyAdvertisedDoNotCount(t *testing.T) {
	g := NewWithT(t)
	pods := netip.MustParsePrefix("10.244.0.0/16")
	other := tailnet.Device{Routes: tailnet.Routes{Advertised: []netip.Prefix{pods}}}
	_, conflict := Conflict(&infrav1.Tailnet{}, other, pods, pods)
	g.Expect(conflict).To(BeFalse())
	g.Expect(Concerns(other, pods)).To(BeFalse())
}

func TestWhatATailnetHasPodNetworksFor(t *testing.T) {
	for name, world := range map[string]struct {
		pods, says string
		tailnet    infrav1.TailnetSpec
	}{
		"private":                         {pods: "10.244.0.0/16"},
		"of another private block":        {pods: "172.20.0.0/16"},
		"a part of the Internet":          {pods: "8.8.8.0/24", says: "no private address space"},
		"more than a private block":       {pods: "172.0.0.0/8", says: "no private address space"},
		"the tailnet's own":               {pods: "100.64.0.0/16", says: "no private address space"},
		"in podRanges":                    {pods: "10.244.0.0/16", tailnet: infrav1.TailnetSpec{PodRanges: []string{"10.244.0.0/14"}}},
		"all of podRanges":                {pods: "10.244.0.0/14", tailnet: infrav1.TailnetSpec{PodRanges: []string{"10.244.0.0/14"}}},
		"in podRanges that are not RFC's": {pods: "11.1.0.0/16", tailnet: infrav1.TailnetSpec{PodRanges: []string{"11.0.0.0/8"}}},
		"private and not in podRanges":    {pods: "192.168.1.0/24", says: "not within podRanges [10.244.0.0/14]", tailnet: infrav1.TailnetSpec{PodRanges: []string{"10.244.0.0/14"}}},
		"more than podRanges":             {pods: "10.0.0.0/8", says: "not within podRanges", tailnet: infrav1.TailnetSpec{PodRanges: []string{"10.244.0.0/14"}}},
		"in the range of virtual IPs":     {pods: "10.250.3.0/24", says: "overlaps the vipRange", tailnet: infrav1.TailnetSpec{VIPRange: "10.250.0.0/16"}},
		"around the range of virtual IPs": {pods: "10.250.0.0/15", says: "overlaps the vipRange", tailnet: infrav1.TailnetSpec{VIPRange: "10.250.0.0/16"}},
		"beside the range of virtual IPs": {pods: "10.251.0.0/16", tailnet: infrav1.TailnetSpec{VIPRange: "10.250.0.0/16"}},
	} {
		t.Run(name, func(t *testing.T) {
			why := NotForPods(&infrav1.Tailnet{Spec: world.tailnet}, netip.MustParsePrefix(world.pods))
			if world.says == "" {
				NewWithT(t).Expect(why).To(BeEmpty())
				return
			}
			NewWithT(t).Expect(why).To(ContainSubstring(world.says))
		})
	}
}
