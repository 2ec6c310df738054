// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package capacity

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

func TestARefusalCoversTheAccountOrTheShapeInItsAvailabilityDomain(t *testing.T) {
	candidate := Place{Account: "alice", AvailabilityDomain: "AD-1", Shape: "A1"}
	for kind, want := range map[cloud.Kind]Place{
		cloud.InvalidRequest: candidate, cloud.NotFoundOrUnauthorized: candidate, cloud.RelatedNotFoundOrUnauthorized: candidate,
		cloud.ExistsOrUnauthorized: candidate, cloud.Unauthenticated: {Account: "alice"}, cloud.Forbidden: {Account: "alice"},
	} {
		g := NewWithT(t)
		err := &cloud.Error{Kind: kind, Operation: "LaunchInstance", Message: "no", RequestID: "ABC"}
		g.Expect(IsRefusal(err)).To(BeTrue(), string(kind))
		known := RecordRefusal(nil, place, err, noon, Policy{})
		g.Expect(known).To(HaveLen(1))
		g.Expect(placeOf(known[0])).To(Equal(want), string(kind))
		g.Expect(known[0].Reason).To(Equal(string(kind)))
		g.Expect(known[0].Message).To(ContainSubstring("no (request ID ABC)"))
		again := RecordRefusal(known, place, err, noon.Add(DefaultFirst), Policy{})
		g.Expect(again).To(HaveLen(1))
		g.Expect(again[0].Until.Time).To(Equal(noon.Add(DefaultFirst + 2*DefaultFirst)))
	}
}

func TestWhatPassesIsNoRefusal(t *testing.T) {
	g := NewWithT(t)
	for _, kind := range []cloud.Kind{
		cloud.OutOfCapacity, cloud.LimitExceeded, cloud.QuotaExceeded, cloud.InvalidCredentials, cloud.Throttled, cloud.Unavailable,
		cloud.Conflict, cloud.Unknown,
	} {
		g.Expect(IsRefusal(&cloud.Error{Kind: kind})).To(BeFalse(), string(kind))
	}
	known := Record(nil, place, cloud.OutOfCapacity, noon, Policy{})
	known = RecordRefusal(known, place, &cloud.Error{Kind: cloud.InvalidRequest, Message: "no"}, noon.Add(time.Second), Policy{})
	g.Expect(known).To(HaveLen(2))
	g.Expect(Refusals(known)).To(HaveLen(1))
}
