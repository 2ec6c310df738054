// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// FuzzPlacement checks, for any world, that the decision is deterministic, complete, within the
// policy and spread as well as the places allow.
func FuzzPlacement(f *testing.F) {
	for seed := range uint64(32) {
		f.Add(seed, uint8(seed%5), uint8(seed%4), seed%3 == 0)
	}
	f.Fuzz(func(t *testing.T, seed uint64, accounts, shortages uint8, controlPlane bool) {
		facts := world(seed, int(accounts%8), int(shortages%16), controlPlane)
		decision := Decide(facts)
		for name, check := range map[string]func(Facts, Decision) error{
			"deterministic": deterministic, "complete": complete, "within the policy": withinPolicy, "spread": spread,
		} {
			if err := check(facts, decision); err != nil {
				t.Errorf("the decision is not %s: %s\nfacts: %+v", name, err, facts)
			}
		}
	})
}

// world makes up facts.
func world(seed uint64, accounts, shortages int, controlPlane bool) Facts {
	random := rand.New(rand.NewPCG(seed, 1))
	coin := func(n int) bool { return random.IntN(n) == 0 }
	facts := Facts{Now: noon, Group: "g", ControlPlane: controlPlane, Shapes: shapes(arm, x86)[:1+random.IntN(2)]}
	for i := range accounts {
		a := account(fmt.Sprintf("account-%d", i), []string{"ad-1", "ad-2", "ad-3"}[:random.IntN(4)]...)
		a.Selected, a.ControlPlane, a.Ready = !coin(5), !coin(4), !coin(4)
		if coin(6) {
			for d := range a.Domains {
				a.Domains[d].FaultDomains = nil
			}
		}
		a.Weight = int32(random.IntN(4))
		if coin(2) {
			a.Budget = someBudget(random)
		}
		for range random.IntN(6) {
			a.Used = append(a.Used, Use{
				AvailabilityDomain: fmt.Sprintf("%s:ad-%d", a.Name, 1+random.IntN(3)), Family: Family([]string{arm, x86}[random.IntN(2)]),
				Others: coin(3), Size: Size{1, 1 + random.Int64N(3), 6, 50},
			})
		}
		if coin(3) {
			limit := random.Int64N(6)
			a.Limits = []Limit{{AvailabilityDomain: a.Name + ":ad-1", Family: Family(arm), OCPUs: &limit}}
		}
		facts.Accounts = append(facts.Accounts, a)
	}
	for range random.IntN(20) {
		place := somewhere(random)
		group := "g"
		if coin(3) {
			group = "other"
		}
		facts.Placed = append(facts.Placed, Placed{group, place.Account, place.AvailabilityDomain, place.FaultDomain, 1})
	}
	for range shortages {
		place := somewhere(random)
		for _, part := range []*string{&place.AvailabilityDomain, &place.FaultDomain, &place.Shape} {
			if coin(3) {
				*part = ""
			}
		}
		until := noon.Add(time.Duration(random.IntN(20)-5) * time.Minute)
		facts.Shortages = append(facts.Shortages,
			shortage(place.Account, place.AvailabilityDomain, place.FaultDomain, place.Shape, until))
	}
	if coin(4) {
		facts.FailureDomain = infrav1.FailureDomainName(fmt.Sprintf("account-%d", random.IntN(8)), fmt.Sprintf("ad-%d", 1+random.IntN(3)))
	}
	return facts
}

func someBudget(random *rand.Rand) Budget {
	figure := func(most int64) *int64 {
		if random.IntN(3) == 0 {
			return nil
		}
		n := random.Int64N(most)
		return &n
	}
	budget := Budget{VolumeGB: figure(600)}
	if random.IntN(4) > 0 {
		budget.Families = map[string]Bound{Family(arm): {figure(8), figure(12), figure(48)}}
	}
	return budget
}

func somewhere(random *rand.Rand) Place {
	name := fmt.Sprintf("account-%d", random.IntN(8))
	return Place{
		Account: name, AvailabilityDomain: fmt.Sprintf("%s:ad-%d", name, 1+random.IntN(3)),
		FaultDomain: fmt.Sprintf("FD-%d", 1+random.IntN(2)), Shape: []string{arm, x86}[random.IntN(2)],
	}
}

// deterministic: the order in which facts are listed does not matter either.
func deterministic(facts Facts, decision Decision) error {
	shuffled := facts
	shuffled.Accounts, shuffled.Placed = slices.Clone(facts.Accounts), slices.Clone(facts.Placed)
	slices.Reverse(shuffled.Accounts)
	slices.Reverse(shuffled.Placed)
	if again := Decide(shuffled); !reflect.DeepEqual(again.Candidates, decision.Candidates) {
		return fmt.Errorf("%v, and with facts in another order %v", names(decision.Candidates), names(again.Candidates))
	}
	return nil
}

// complete: each existing place is either a candidate, once, or covered by a rejection.
func complete(facts Facts, decision Decision) error {
	if decision.UnknownFailureDomain {
		return nil
	}
	listed := map[Place]int{}
	for _, candidate := range decision.Candidates {
		listed[candidate.Place]++
	}
	total := 0
	for _, place := range every(facts) {
		rejected := slices.ContainsFunc(decision.Rejections, func(r Rejection) bool { return r.covers(place) })
		if listed[place] > 1 || (listed[place] == 1) == rejected {
			return fmt.Errorf("%+v is listed %d times, and rejected: %t", place, listed[place], rejected)
		}
		total += listed[place]
	}
	if total != len(decision.Candidates) {
		return fmt.Errorf("%d candidates are places that do not exist", len(decision.Candidates)-total)
	}
	return nil
}

func (r Rejection) covers(place Place) bool {
	same := func(part, of string) bool { return part == "" || part == of }
	return r.Account == place.Account && same(r.AvailabilityDomain, place.AvailabilityDomain) &&
		same(r.FaultDomain, place.FaultDomain) && same(r.Shape, place.Shape)
}

func every(facts Facts) []Place {
	var places []Place
	for _, a := range facts.Accounts {
		for _, domain := range a.Domains {
			faults := domain.FaultDomains
			if len(faults) == 0 {
				faults = []string{""}
			}
			for _, fault := range faults {
				for _, shape := range facts.Shapes {
					places = append(places, Place{a.Name, domain.Name, fault, shape.Name})
				}
			}
		}
	}
	return places
}

// withinPolicy: no candidate breaks a rule or is short.
func withinPolicy(facts Facts, decision Decision) error {
	for _, candidate := range decision.Candidates {
		i := slices.IndexFunc(facts.Accounts, func(a Account) bool { return a.Name == candidate.Account })
		a := facts.Accounts[i]
		switch {
		case !a.Selected, !a.Ready, facts.ControlPlane && !a.ControlPlane:
			return fmt.Errorf("%s is not allowed in %+v", candidate.Account, a)
		case exceeds(a, candidate, facts.Shapes) != "":
			return fmt.Errorf("%+v exceeds %s", candidate.Place, exceeds(a, candidate, facts.Shapes))
		case facts.FailureDomain != "" && candidate.FailureDomain != facts.FailureDomain:
			return fmt.Errorf("%s is not the failure domain asked for", candidate.FailureDomain)
		}
		for _, s := range facts.Shortages {
			if s.Until.After(facts.Now) && candidate.coveredBy(s) {
				return fmt.Errorf("%+v is short", candidate.Place)
			}
		}
	}
	return nil
}

// exceeds counts anew what would be used with the machine there.
func exceeds(a Account, at Candidate, wanted []Shape) string {
	shape := wanted[slices.IndexFunc(wanted, func(s Shape) bool { return s.Name == at.Shape })]
	ours, inDomain, volumes := shape.Size, shape.Size, shape.Size.VolumeGB
	for _, use := range a.Used {
		same := use.Family == Family(at.Shape)
		if !use.Others {
			volumes += use.Size.VolumeGB
		}
		if same && !use.Others {
			ours = ours.Plus(use.Size)
		}
		if same && use.AvailabilityDomain == at.AvailabilityDomain {
			inDomain = inDomain.Plus(use.Size)
		}
	}
	above := func(bound *int64, n int64) bool { return bound != nil && n > *bound }
	bound, listed := a.Budget.Families[Family(at.Shape)]
	switch {
	case a.Budget.Families != nil && !listed:
		return "the families"
	case above(a.Budget.VolumeGB, volumes), above(bound.Instances, ours.Instances), above(bound.OCPUs, ours.OCPUs), above(bound.MemoryGB, ours.MemoryGB):
		return "the budget"
	}
	for _, limit := range a.Limits {
		if limit.Family == Family(at.Shape) && limit.AvailabilityDomain == at.AvailabilityDomain && above(limit.OCPUs, inDomain.OCPUs) {
			return "a limit"
		}
	}
	return ""
}

// spread: no candidate stands before one whose availability domain would be less full with the
// machine, for its weight. Of control planes, this is so among accounts on which etcd's quorum
// would depend alike.
func spread(facts Facts, decision Decision) error {
	held, inAccount, total := map[string]int{}, map[string]int{}, 0
	for _, machine := range facts.Placed {
		if machine.Group == facts.Group {
			held[machine.Account+"/"+machine.AvailabilityDomain]++
			inAccount[machine.Account]++
			total++
		}
	}
	last, lastExcess := 0.0, 0
	for _, candidate := range decision.Candidates {
		if facts.ControlPlane {
			excess := max(0, inAccount[candidate.Account]+1-total/2)
			if excess < lastExcess {
				return fmt.Errorf("%s stands behind an account on which quorum depends more", candidate.FailureDomain)
			}
			if excess > lastExcess {
				last, lastExcess = 0, excess
			}
		}
		i := slices.IndexFunc(facts.Accounts, func(a Account) bool { return a.Name == candidate.Account })
		now := float64(held[candidate.Account+"/"+candidate.AvailabilityDomain]+1) / float64(max(1, facts.Accounts[i].Weight))
		if now < last {
			return fmt.Errorf("%s, which would be %g full, stands behind one that would be %g", candidate.FailureDomain, now, last)
		}
		last = now
	}
	return nil
}

// TestMachinesPlacedOneAfterAnotherDifferByAtMostOne follows the decisions of a growing group.
func TestMachinesPlacedOneAfterAnotherDifferByAtMostOne(t *testing.T) {
	facts := Facts{
		Group: "g", Shapes: shapes(arm),
		Accounts: []Account{account("alice", "ad-1", "ad-2", "ad-3"), account("bob", "ad-1"), account("carol", "ad-1")},
	}
	held := map[string]int{}
	for range 23 {
		best := Decide(facts).Candidates[0]
		facts.Placed = append(facts.Placed, Placed{"g", best.Account, best.AvailabilityDomain, best.FaultDomain, 1})
		held[best.FailureDomain]++
	}
	least, most := 23, 0
	for _, count := range held {
		least, most = min(least, count), max(most, count)
	}
	if len(held) != 5 || most-least > 1 {
		t.Errorf("the machines are spread unevenly: %v", held)
	}
}
