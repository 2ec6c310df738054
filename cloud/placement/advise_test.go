// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"testing"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// freeAccount is an Always Free one with a machine of so many OCPUs.
func freeAccount(name string, ocpus int64) Account {
	a := account(name, "ad-1")
	a.Budget = AlwaysFree()
	a.Used = []Use{usedIn(name, ocpus)}
	return a
}

func usedIn(account string, ocpus int64) Use {
	return Use{AvailabilityDomain: account + ":ad-1", Family: Family(arm), Size: Size{1, ocpus, 6 * ocpus, 50}}
}

// fullAccounts are two with a machine each of all that is free.
func fullAccounts() []Account { return []Account{freeAccount("alice", 2), freeAccount("bob", 2)} }

func limitedAccount() Account {
	limited, two := account("alice", "ad-1"), int64(2)
	limited.Limits = []Limit{{AvailabilityDomain: "alice:ad-1", Family: Family(arm), OCPUs: &two}}
	limited.Used = []Use{usedIn("alice", 1)}
	return limited
}

func freeAccountUsing(size Size) Account {
	a := freeAccount("alice", 0)
	a.Used[0].Size = size
	return a
}

func downAccount() Account {
	down := freeAccount("alice", 1)
	down.Ready = false
	return down
}

// mate is a machine of the same group.
func mate(account string, leaving bool) Occupant {
	return Occupant{Account: account, Group: "g", Leaving: leaving, Use: usedIn(account, 2)}
}

// adviceWorld is what there is where a machine does not fit, and the advice about it.
type adviceWorld struct {
	facts     Facts
	occupants []Occupant
	want      Advice
}

// adviceWorlds are accounts without room for a machine of 2 OCPUs in group g.
var adviceWorlds = map[string]adviceWorld{
	"in the place of one of its group": {
		Facts{Accounts: fullAccounts()}, []Occupant{mate("alice", false), mate("bob", false)}, Advice{InPlaceOf: "alice"},
	},
	"in the failure domain that binds it": {
		Facts{Accounts: fullAccounts(), FailureDomain: "bob-ad-1"}, []Occupant{mate("alice", false), mate("bob", false)}, Advice{InPlaceOf: "bob"},
	},
	"another group's machine is not replaced": {
		Facts{Accounts: fullAccounts()}, []Occupant{{Account: "alice", Group: "other", Use: usedIn("alice", 2)}}, Advice{},
	},
	"a machine that is being deleted makes room by itself": {
		Facts{Accounts: fullAccounts()}, []Occupant{mate("alice", true), mate("bob", false)}, Advice{Leaving: true},
	},
	"the same of another cluster": {
		Facts{Accounts: fullAccounts()}, []Occupant{{Account: "alice", Leaving: true, Use: usedIn("alice", 2)}}, Advice{Leaving: true},
	},
	"one of a machine's two equals is not both": {
		Facts{Accounts: []Account{freeAccount("alice", 2)}}, []Occupant{
			{Account: "alice", Group: "g", Use: usedIn("alice", 1)}, {Account: "alice", Group: "g", Use: usedIn("alice", 1)},
		}, Advice{},
	},
	"a smaller worker": {
		Facts{Accounts: []Account{freeAccount("alice", 2), freeAccount("bob", 1)}}, nil, Advice{Smaller: &Fit{"bob", arm, 1, 6}},
	},
	"a control plane needs two CPUs": {Facts{ControlPlane: true, Accounts: []Account{freeAccount("bob", 1)}}, nil, Advice{}},
	"within a limit":                 {Facts{Accounts: []Account{limitedAccount()}}, nil, Advice{Smaller: &Fit{"alice", arm, 1, 12}}},
	"only memory is short":           {Facts{Accounts: []Account{freeAccountUsing(Size{MemoryGB: 8})}}, nil, Advice{Smaller: &Fit{"alice", arm, 2, 4}}},
	"no size helps without volumes":  {Facts{Accounts: []Account{freeAccountUsing(Size{VolumeGB: 180})}}, nil, Advice{}},
	"an account that is down has no room": {
		Facts{Accounts: []Account{downAccount()}}, []Occupant{{Account: "alice", Group: "g", Use: usedIn("alice", 1)}}, Advice{},
	},
	"a smaller one has no room where capacity is short": {
		Facts{
			Now: noon, Accounts: []Account{freeAccount("bob", 1)},
			Shortages: []infrav1.Shortage{shortage("bob", "", "", arm, noon.Add(1))},
		}, nil, Advice{},
	},
}

func TestAdviceNamesTheChangeThatMakesTheMachineFit(t *testing.T) {
	for name, world := range adviceWorlds {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			whole := Shape{Name: arm, Size: Size{Instances: 1, OCPUs: 2, MemoryGB: 12, VolumeGB: 50}}
			world.facts.Group, world.facts.Shapes = "g", []Shape{whole}
			g.Expect(Decide(world.facts).Candidates).To(BeEmpty())

			before := len(world.facts.Accounts[0].Used)
			g.Expect(Advise(world.facts, world.occupants)).To(Equal(world.want))
			g.Expect(world.facts.Accounts[0].Used).To(HaveLen(before), "the facts stay as they are")
		})
	}
}

func TestOnlyFlexibleShapesHaveSmallerSizes(t *testing.T) {
	g := NewWithT(t)
	a := account("alice", "ad-1")
	a.Budget = Budget{Families: map[string]Bound{}}
	micro := Shape{Name: "VM.Standard.E2.1.Micro", Size: Size{Instances: 1, OCPUs: 1, MemoryGB: 1, VolumeGB: 50}}
	g.Expect(Advise(Facts{Accounts: []Account{a}, Shapes: []Shape{micro}}, nil)).To(Equal(Advice{}))
}
