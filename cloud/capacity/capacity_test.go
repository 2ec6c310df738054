// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package capacity

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

var (
	noon  = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	place = Place{Account: "alice", AvailabilityDomain: "AD-1", FaultDomain: "FD-1", Shape: "A1"}
)

func TestHostsRunOutByFaultDomainAndLimitsByAvailabilityDomain(t *testing.T) {
	for kind, want := range map[cloud.Kind]Place{
		cloud.OutOfCapacity: place,
		cloud.LimitExceeded: {Account: "alice", AvailabilityDomain: "AD-1", Shape: "A1"},
		cloud.QuotaExceeded: {Account: "alice", AvailabilityDomain: "AD-1", Shape: "A1"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			g := NewWithT(t)
			got := Record(nil, place, kind, noon, Policy{})
			g.Expect(got).To(HaveLen(1))
			g.Expect(Place{got[0].Account, got[0].AvailabilityDomain, got[0].FaultDomain, got[0].Shape}).To(Equal(want))
			g.Expect(got[0].Reason).To(Equal(string(kind)))
			g.Expect(got[0].Until.Time).To(Equal(noon.Add(DefaultFirst)))
		})
	}
}

func TestAPlaceIsLeftOutLongerEachTimeUpToTheMost(t *testing.T) {
	g := NewWithT(t)
	var known []infrav1.Shortage
	now := noon
	for _, minutes := range []int{5, 10, 20, 30, 30} {
		known = Record(known, place, cloud.OutOfCapacity, now, Policy{})
		g.Expect(known).To(HaveLen(1))
		g.Expect(known[0].Until.Sub(now)).To(Equal(time.Duration(minutes) * time.Minute))
		now = known[0].Until.Time
	}
}

func TestAShortageLongPastIsAFirstOneAgain(t *testing.T) {
	g := NewWithT(t)
	known := Record(nil, place, cloud.OutOfCapacity, noon, Policy{First: time.Minute, Max: 2 * time.Minute})
	known = Record(known, place, cloud.OutOfCapacity, noon.Add(time.Hour), Policy{First: time.Minute, Max: 2 * time.Minute})
	g.Expect(known).To(HaveLen(1))
	g.Expect(known[0].Count).To(BeEquivalentTo(1))
}

// More places than a status holds, all without room: to forget one is to try it again at once.
func TestNoPlaceIsForgottenWhenTheyAreMoreThanTheAPIAllows(t *testing.T) {
	g := NewWithT(t)
	var known []infrav1.Shortage
	var places []Place
	for account := range 50 {
		for _, shape := range []string{"A1", "E5"} {
			for _, fault := range []string{"FD-1", "FD-2", "FD-3"} {
				places = append(places, Place{fmt.Sprint(account), "AD-1", fault, shape})
			}
		}
	}
	for i, at := range places {
		known = Record(known, at, cloud.OutOfCapacity, noon.Add(time.Duration(i)*time.Second), Policy{})
		g.Expect(len(known)).To(BeNumerically("<=", maxShortages))
	}
	now := noon.Add(DefaultFirst).Add(-time.Second)
	for _, at := range places {
		g.Expect(slices.ContainsFunc(known, func(s infrav1.Shortage) bool {
			return s.Account == at.Account && (s.AvailabilityDomain == "" || s.AvailabilityDomain == at.AvailabilityDomain) &&
				(s.FaultDomain == "" || s.FaultDomain == at.FaultDomain) && (s.Shape == "" || s.Shape == at.Shape) && s.Until.After(now)
		})).To(BeTrue(), "%v", at)
	}
}

func TestOnlyLackOfRoomIsAShortage(t *testing.T) {
	g := NewWithT(t)
	for kind, want := range map[cloud.Kind]bool{
		cloud.OutOfCapacity: true, cloud.LimitExceeded: true, cloud.QuotaExceeded: true,
		cloud.NotFoundOrUnauthorized: false, cloud.RelatedNotFoundOrUnauthorized: false, cloud.ExistsOrUnauthorized: false,
		cloud.Unauthenticated: false, cloud.Forbidden: false, cloud.InvalidCredentials: false, cloud.Throttled: false,
		cloud.Conflict: false, cloud.InvalidRequest: false, cloud.Unavailable: false, cloud.Unknown: false,
	} {
		g.Expect(IsShortage(fmt.Errorf("launching: %w", &cloud.Error{Kind: kind}))).To(Equal(want), string(kind))
	}
	g.Expect(IsShortage(errors.New("out of something"))).To(BeFalse())
}
