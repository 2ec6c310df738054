// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// Decide returns where the machine may be launched, best first.
//
// The order is, by falling importance: for control planes, the account whose loss etcd's quorum
// outlives, else the one with the fewest beyond that; the availability domain with the fewest
// machines of the group for the account's weight; the account with the fewest of the group for its
// weight; for workers, an account that may hold no control planes, which may not be made yet; the
// account with the fewest of all for its weight; the account's name. Within an account: the
// preferred shape; the availability domain with the fewest machines, then its name; the fault
// domain with the fewest of the group, then of all, then its name. Who goes down the list after a
// failed launch therefore changes the fault domain first, then the availability domain, then the
// shape, then the account, as long as that does not make the spread worse.
func Decide(facts Facts) Decision {
	decision := Decision{UnknownFailureDomain: !facts.knowsFailureDomain()}
	if decision.UnknownFailureDomain {
		return decision
	}
	count := tally(facts)
	var found []ranked
	for _, account := range facts.Accounts {
		if rejection, rejected := facts.rejectAccount(account); rejected {
			decision.Rejections = append(decision.Rejections, rejection)
			continue
		}
		for _, domain := range account.Domains {
			candidates, rejections := facts.inDomain(account, domain, count)
			found = append(found, candidates...)
			decision.Rejections = append(decision.Rejections, rejections...)
		}
	}
	slices.SortFunc(found, compare)
	for _, candidate := range found {
		decision.Candidates = append(decision.Candidates, candidate.Candidate)
	}
	return decision
}

// knowsFailureDomain tells whether the failure domain that was asked for exists, or may exist in an
// account whose availability domains have never been seen.
func (f Facts) knowsFailureDomain() bool {
	if f.FailureDomain == "" {
		return true
	}
	for _, account := range f.Accounts {
		if len(account.Domains) == 0 && strings.HasPrefix(f.FailureDomain, account.Name+"-") {
			return true
		}
		for _, domain := range account.Domains {
			if infrav1.FailureDomainName(account.Name, domain.ShortName) == f.FailureDomain {
				return true
			}
		}
	}
	return false
}

func (f Facts) rejectAccount(account Account) (Rejection, bool) {
	rejection := Rejection{Place: Place{Account: account.Name}}
	switch {
	case !account.Selected:
		rejection.Reason, rejection.Message = NotSelected, "the machine's spec.accounts does not select it"
	case f.ControlPlane && !account.ControlPlane:
		rejection.Reason, rejection.Message = ControlPlaneNotAllowed, "the cluster allows no control planes in it"
	case !account.Ready:
		rejection.Reason, rejection.Message = AccountNotReady, cmp.Or(account.Problem, "it is not ready")
	case len(account.Domains) == 0:
		rejection.Reason, rejection.Message = AccountNotReady, "its availability domains are not known yet"
	default:
		return Rejection{}, false
	}
	return rejection, true
}

// inDomain lists the candidates within one availability domain, and what is short in it.
func (f Facts) inDomain(account Account, domain infrav1.AvailabilityDomain, count counts) ([]ranked, []Rejection) {
	failureDomain := infrav1.FailureDomainName(account.Name, domain.ShortName)
	if f.FailureDomain != "" && f.FailureDomain != failureDomain {
		return nil, []Rejection{{
			Place:   Place{Account: account.Name, AvailabilityDomain: domain.Name},
			Reason:  OtherFailureDomain,
			Message: "the machine has to be in failure domain " + f.FailureDomain,
		}}
	}
	faultDomains := domain.FaultDomains
	if len(faultDomains) == 0 {
		faultDomains = []string{""}
	}
	var found []ranked
	var rejections []Rejection
	for preference, shape := range f.Shapes {
		if rejection, rejected := account.without(domain.Name, shape); rejected {
			rejections = append(rejections, rejection)
			continue
		}
		for _, faultDomain := range faultDomains {
			place := Place{Account: account.Name, AvailabilityDomain: domain.Name, FaultDomain: faultDomain, Shape: shape.Name}
			if shortage, short := f.shortageAt(place); short {
				rejections = append(rejections, rejectionOf(place, shortage))
				continue
			}
			if f.refused(place) {
				rejections = append(rejections, Rejection{Place: place, Reason: Unsuitable, Message: "it does not suit the machine"})
				continue
			}
			found = append(found, f.rank(place, failureDomain, preference, account, count))
		}
	}
	return found, rejections
}

// without says why there is no room in an availability domain for a shape, whatever the fault
// domain.
func (a Account) without(availabilityDomain string, shape Shape) (Rejection, bool) {
	rejection := Rejection{Place: Place{Account: a.Name, AvailabilityDomain: availabilityDomain, Shape: shape.Name}}
	if message := a.Unsized(shape); message != "" {
		rejection.Reason, rejection.Message = SizeUnknown, message
		return rejection, true
	}
	if message := a.overBudget(shape); message != "" {
		rejection.Reason, rejection.Message = OverBudget, message
		return rejection, true
	}
	if message := a.overLimit(availabilityDomain, shape); message != "" {
		rejection.Reason, rejection.Message = OverLimit, message
		return rejection, true
	}
	return rejection, false
}

func (f Facts) refused(place Place) bool {
	for _, refused := range f.Refused {
		if place.within(refused) {
			return true
		}
	}
	return false
}

// shortageAt returns the shortage that covers the place and ends last.
func (f Facts) shortageAt(place Place) (worst infrav1.Shortage, short bool) {
	for _, shortage := range f.Shortages {
		if shortage.Until.After(f.Now) && place.coveredBy(shortage) && (!short || shortage.Until.After(worst.Until.Time)) {
			worst, short = shortage, true
		}
	}
	return worst, short
}

// rejectionOf is that of a place covered by a shortage. A refusal names what it covers.
func rejectionOf(place Place, shortage infrav1.Shortage) Rejection {
	if shortage.Message == "" {
		return Rejection{Place: place, Reason: Short, Message: shortage.Reason, Until: shortage.Until.Time}
	}
	return Rejection{
		Place:  Place{Account: shortage.Account, AvailabilityDomain: shortage.AvailabilityDomain, Shape: shortage.Shape},
		Reason: Refused, Message: shortage.Message, Until: shortage.Until.Time, Kind: shortage.Reason,
	}
}

func (p Place) coveredBy(shortage infrav1.Shortage) bool {
	return p.within(Place{shortage.Account, shortage.AvailabilityDomain, shortage.FaultDomain, shortage.Shape})
}

// within tells whether the place is one of those that the other stands for.
func (p Place) within(other Place) bool {
	covers := func(part, of string) bool { return part == "" || part == of }
	return other.Account == p.Account && covers(other.AvailabilityDomain, p.AvailabilityDomain) &&
		covers(other.FaultDomain, p.FaultDomain) && covers(other.Shape, p.Shape)
}

func (f Facts) rank(place Place, failureDomain string, preference int, of Account, count counts) ranked {
	group := func(p Place) int { return count.group[p] }
	account := Place{Account: place.Account}
	domain := Place{Account: place.Account, AvailabilityDomain: place.AvailabilityDomain}
	fault := Place{Account: place.Account, AvailabilityDomain: place.AvailabilityDomain, FaultDomain: place.FaultDomain}
	out := ranked{
		Candidate:   Candidate{Place: place, FailureDomain: failureDomain},
		excess:      f.excess(account, count),
		domainGroup: group(domain), accountGroup: group(account), accountAll: count.all[account],
		preference: preference, domainAll: count.all[domain], weight: max(1, int(of.Weight)),
	}
	if of.ControlPlane && !f.ControlPlane {
		out.controlPlanes = 1
	}
	if place.FaultDomain != "" {
		out.faultGroup, out.faultAll = group(fault), count.all[fault]
	}
	out.Reason = fmt.Sprintf("Least loaded: %d %s in %s", out.domainGroup, cmp.Or(f.Group, "machines"), failureDomain)
	if f.FailureDomain != "" {
		out.Reason = "Required by the Machine's failureDomain"
	}
	if of.Weight > 1 {
		out.Reason += fmt.Sprintf(", weight %d", of.Weight)
	}
	if preference > 0 {
		out.Reason += fmt.Sprintf(", shape %d in order of preference", preference+1)
	}
	out.Reason += f.dependence(account, count)
	return out
}
