// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package placement

import "cmp"

// ranked is a candidate with what it is compared by.
type ranked struct {
	Candidate
	// excess is explained at its function.
	excess                                int
	domainGroup, accountGroup, accountAll int
	// controlPlanes is 1 for a worker in an account that may have to hold a control plane.
	controlPlanes         int
	preference, domainAll int
	faultGroup, faultAll  int
	// weight is the account's, at least 1.
	weight int
}

func compare(a, b ranked) int {
	return cmp.Or(
		cmp.Compare(a.excess, b.excess),
		weighed(a, b, a.domainGroup, b.domainGroup),
		weighed(a, b, a.accountGroup, b.accountGroup),
		cmp.Compare(a.controlPlanes, b.controlPlanes),
		weighed(a, b, a.accountAll, b.accountAll),
		cmp.Compare(a.Account, b.Account),
		cmp.Compare(a.preference, b.preference),
		cmp.Compare(a.domainAll, b.domainAll),
		cmp.Compare(a.AvailabilityDomain, b.AvailabilityDomain),
		cmp.Compare(a.faultGroup, b.faultGroup),
		cmp.Compare(a.faultAll, b.faultAll),
		cmp.Compare(a.FaultDomain, b.FaultDomain),
	)
}

// weighed compares how full two places would be with one machine more, each for the weight of its
// account.
func weighed(a, b ranked, heldByA, heldByB int) int {
	return cmp.Compare((heldByA+1)*b.weight, (heldByB+1)*a.weight)
}

// counts are numbers of machines by place; a Place without fault domain, or without availability
// domain, counts all within.
type counts struct {
	group, all map[Place]int
	// groupTotal counts the group in all places.
	groupTotal int
}

func tally(facts Facts) counts {
	count := counts{group: map[Place]int{}, all: map[Place]int{}}
	for _, machines := range facts.Placed {
		number := max(1, machines.Number)
		if machines.Group == facts.Group {
			count.groupTotal += number
		}
		places := []Place{
			{Account: machines.Account},
			{Account: machines.Account, AvailabilityDomain: machines.AvailabilityDomain},
		}
		if machines.FaultDomain != "" {
			places = append(places, Place{
				Account: machines.Account, AvailabilityDomain: machines.AvailabilityDomain, FaultDomain: machines.FaultDomain,
			})
		}
		for _, place := range places {
			count.all[place] += number
			if machines.Group == facts.Group {
				count.group[place] += number
			}
		}
	}
	return count
}
