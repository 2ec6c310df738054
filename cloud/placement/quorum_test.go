// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"testing"

	. "github.com/onsi/gomega"
)

// The loss of any one account leaves a quorum wherever the accounts allow that.
func TestControlPlanesKeepQuorumWithoutAnyOneAccountWhereTheAccountsAllowIt(t *testing.T) {
	wide, one := account("alice", "ad-1", "ad-2", "ad-3"), func(name string) Account { return account(name, "ad-1") }
	heavy := one("alice")
	heavy.Weight = 10
	for name, world := range map[string]struct {
		accounts []Account
		number   int
		told     bool
		want     map[string]int
	}{
		"three over three":                          {[]Account{one("alice"), one("bob"), one("carol")}, 3, false, map[string]int{"alice": 1, "bob": 1, "carol": 1}},
		"an account with several domains":           {[]Account{wide, one("bob"), one("carol")}, 5, false, map[string]int{"alice": 2, "bob": 2, "carol": 1}},
		"an account of much weight":                 {[]Account{heavy, one("bob"), one("carol")}, 3, false, map[string]int{"alice": 1, "bob": 1, "carol": 1}},
		"weight counts where quorum lets it":        {[]Account{heavy, one("bob"), one("carol"), one("dave")}, 5, false, map[string]int{"alice": 2, "bob": 1, "carol": 1, "dave": 1}},
		"two accounts":                              {[]Account{wide, one("bob")}, 3, true, map[string]int{"alice": 2, "bob": 1}},
		"one account":                               {[]Account{wide}, 3, true, map[string]int{"alice": 3}},
		"one control plane depends on what it must": {[]Account{one("alice"), one("bob")}, 1, false, map[string]int{"alice": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			facts := Facts{ControlPlane: true, ControlPlanes: world.number, Group: "g", Shapes: shapes(arm), Accounts: world.accounts}
			held, reason := map[string]int{}, ""
			for range world.number {
				best := Decide(facts).Candidates[0]
				facts.Placed = append(facts.Placed, Placed{"g", best.Account, best.AvailabilityDomain, best.FaultDomain, 1})
				held[best.Account]++
				reason += best.Reason
			}
			g.Expect(held).To(Equal(world.want))
			g.Expect(reason).To(Or(And(ContainSubstring("etcd's quorum depends on account alice"), Satisfy(func(string) bool { return world.told })),
				And(Not(ContainSubstring("quorum")), Satisfy(func(string) bool { return !world.told }))))
		})
	}
}

func TestWorkersAreNotSpreadByQuorum(t *testing.T) {
	g := NewWithT(t)
	facts := Facts{
		Group: "g", Shapes: shapes(arm), Accounts: []Account{account("alice", "ad-1", "ad-2"), account("bob", "ad-1")},
		Placed: []Placed{{"g", "alice", "alice:ad-1", "FD-1", 1}, {"g", "bob", "bob:ad-1", "FD-1", 1}},
	}
	g.Expect(Decide(facts).Candidates[0].FailureDomain).To(Equal("alice-ad-2"))
}

func TestHowManyControlPlanesMayBeLost(t *testing.T) {
	for members, lost := range []int{0, 0, 0, 1, 1, 2, 2, 3} {
		NewWithT(t).Expect(Tolerated(members)).To(Equal(lost), "%d", members)
	}
}

// A worker may be made before the control planes are, which have nowhere else to go.
func TestWorkersLeaveAccountsToControlPlanesAmongEqualOnes(t *testing.T) {
	g := NewWithT(t)
	workersOnly := account("zoe", "ad-1")
	workersOnly.ControlPlane = false
	facts := Facts{Group: "g", Shapes: shapes(arm), Accounts: []Account{account("alice", "ad-1"), workersOnly}}
	g.Expect(Decide(facts).Candidates[0].Account).To(Equal("zoe"))

	facts.Placed = []Placed{{"g", "zoe", "zoe:ad-1", "FD-1", 1}}
	g.Expect(Decide(facts).Candidates[0].Account).To(Equal("alice"), "the spread of a group comes first")
}
