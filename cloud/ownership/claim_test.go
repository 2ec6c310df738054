// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package ownership

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

var (
	midday = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	// made is when the object was made here.
	made = midday.Add(-time.Hour)
)

const window = 3 * time.Minute

func held(by string, since time.Time) string { return Claim{by, since}.String() }

func status(state infrav1.ClaimState, takenAt time.Time, takenFrom string) infrav1.ClaimStatus {
	return infrav1.ClaimStatus{ManagementCluster: "here", State: state, TakenAt: metav1.NewTime(takenAt), TakenFrom: takenFrom}
}

// What the tag and status of a thing may say.
var (
	mine, old, young = held("here", made), held("there", midday.Add(-time.Hour)), held("there", midday.Add(-time.Minute))
	restored         = infrav1.ClaimStatus{ManagementCluster: "there", State: infrav1.ClaimHeld}
	settled          = status(infrav1.ClaimHeld, time.Time{}, "")
	pending          = status(infrav1.ClaimPending, midday.Add(-30*time.Second), old)
)

type holding struct {
	tag     string
	status  infrav1.ClaimStatus
	seen    time.Time
	want    Outcome
	settled bool
	again   bool
	next    infrav1.ClaimState
}

// holdings are tag and status of a thing, and whose it is by them.
var holdings = map[string]holding{
	"ours, and status says so":                   {mine, settled, midday, Ours, true, false, infrav1.ClaimHeld},
	"ours, and status was lost":                  {mine, infrav1.ClaimStatus{}, time.Time{}, Ours, true, false, infrav1.ClaimHeld},
	"of an older version, which claimed nothing": {"", infrav1.ClaimStatus{}, time.Time{}, Ours, true, false, infrav1.ClaimHeld},
	"claimed by us, and the record was lost": {
		held("here", midday.Add(-time.Minute)), infrav1.ClaimStatus{}, time.Time{}, Ours, false, false, infrav1.ClaimPending,
	},
	"moved here":                        {old, infrav1.ClaimStatus{}, time.Time{}, Taken, false, false, infrav1.ClaimPending},
	"moved here a moment after a move":  {young, infrav1.ClaimStatus{}, time.Time{}, Taken, false, false, infrav1.ClaimPending},
	"restored here with its status":     {old, restored, time.Time{}, Taken, false, false, infrav1.ClaimPending},
	"decided, and not yet claimed":      {old, pending, time.Time{}, Taken, false, true, infrav1.ClaimPending},
	"decided, and not claimed for long": {old, status(infrav1.ClaimPending, midday.Add(-time.Hour), old), time.Time{}, Taken, false, false, infrav1.ClaimPending},
	"to be claimed back, and too late":  {old, status(infrav1.ClaimPending, midday.Add(-time.Hour), old), midday.Add(-time.Hour), Elsewhere, false, false, infrav1.ClaimElsewhere},
	"claimed a minute ago": {
		held("here", midday.Add(-time.Minute)), pending, midday, Ours, false, false, infrav1.ClaimPending,
	},
	"claimed, and it stands": {
		held("here", midday.Add(-window)), status(infrav1.ClaimPending, midday.Add(-window), old), midday, Ours, false, false, infrav1.ClaimHeld,
	},
	"claimed, and the holder minds": {young, pending, midday, Elsewhere, false, false, infrav1.ClaimElsewhere},
	"claimed, and the holder minded, which we saw late": {
		held("there", midday.Add(-time.Hour)), status(infrav1.ClaimPending, midday.Add(-2*time.Hour), held("there", made.Add(-time.Hour))), time.Time{},
		Elsewhere, false, false, infrav1.ClaimElsewhere,
	},
	"a drill took it under our eyes":                          {young, settled, midday.Add(-time.Minute), Contested, false, false, infrav1.ClaimPending},
	"a drill took it whose clock is a day behind":             {held("there", midday.Add(-24*time.Hour)), settled, midday.Add(-time.Minute), Contested, false, false, infrav1.ClaimPending},
	"a drill took it whose clock is a day ahead":              {held("there", midday.Add(24*time.Hour)), settled, midday.Add(-time.Minute), Contested, false, false, infrav1.ClaimPending},
	"a drill took it while we started again":                  {young, settled, time.Time{}, Contested, false, false, infrav1.ClaimPending},
	"a drill took it while we started again, its clock apart": {held("there", midday.Add(-window-time.Minute)), settled, time.Time{}, Contested, false, false, infrav1.ClaimPending},
	"another one took over while we were away":                {old, settled, time.Time{}, Elsewhere, false, false, infrav1.ClaimElsewhere},
	"another one took over while nothing could be seen":       {old, settled, midday.Add(-time.Hour), Elsewhere, false, false, infrav1.ClaimElsewhere},
	"told, and still so":                                      {young, status(infrav1.ClaimElsewhere, time.Time{}, ""), midday, Elsewhere, false, false, infrav1.ClaimElsewhere},
	"told, and given back":                                    {mine, status(infrav1.ClaimElsewhere, time.Time{}, ""), midday, Ours, true, false, infrav1.ClaimHeld},
	"told, and the tag removed":                               {"", status(infrav1.ClaimElsewhere, time.Time{}, ""), midday, Ours, true, false, infrav1.ClaimHeld},
	"a tag that is no claim":                                  {"somebody", settled, time.Time{}, Elsewhere, false, false, infrav1.ClaimElsewhere},
}

func TestWhoHoldsAThing(t *testing.T) {
	for name, world := range holdings {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			holder := Holder{ID: "here", Since: made, Now: midday, Window: window, Seen: world.seen, Status: world.status}
			owner := Machine("uid", "team", "worker").HeldBy(holder)
			tags := owner.Tags()
			if world.tag != "" {
				tags[infrav1.HeldByTag] = world.tag
			}
			j := owner.Judge("ocid1.instance.x", tags)
			g.Expect(j.Outcome).To(Equal(world.want))
			g.Expect(j.Settled).To(Equal(world.settled))
			g.Expect(j.Again).To(Equal(world.again))
			g.Expect(j.Proof.IsZero()).To(Equal(world.want != Ours), "only what is ours may be changed")
			g.Expect(j.Laying.IsZero()).To(Equal(world.want != Taken && world.want != Contested))
			_, proven := owner.Tagged("ocid1.instance.x", tags)
			g.Expect(proven).To(Equal(world.want == Ours))
			next := holder.Next(j, midday)
			g.Expect(next.State).To(Equal(world.next))
			g.Expect(next.ManagementCluster).To(Equal("here"))
		})
	}
}

func TestWithoutAManagementClusterNobodysClaimMatters(t *testing.T) {
	g := NewWithT(t)
	owner := Machine("uid", "team", "worker")
	tags := owner.HeldBy(Holder{ID: "there", Since: made}).Claimed(owner.Tags())
	g.Expect(tags).To(HaveKeyWithValue(infrav1.HeldByTag, "there 2026-05-01T11:00:00Z"))
	g.Expect(owner.Claimed(owner.Tags())).NotTo(HaveKey(infrav1.HeldByTag))
	j := owner.Judge("id", tags)
	g.Expect(j.Outcome).To(Equal(Ours))
	g.Expect(j.Settled).To(BeTrue())
	g.Expect(Holder{}.Next(j, midday)).To(Equal(infrav1.ClaimStatus{}))
}

func TestAClaimOnAStrangersThingIsNoneOfOurs(t *testing.T) {
	g := NewWithT(t)
	victim := Machine("uid", "team", "worker")
	forger := Machine("uid", "else", "worker").HeldBy(Holder{ID: "here", Now: midday, Window: window})
	j := forger.Judge("id", victim.HeldBy(Holder{ID: "there", Since: made}).Claimed(victim.Tags()))
	g.Expect(j.Outcome).To(Equal(Foreign))
	g.Expect(j.Proof.IsZero()).To(BeTrue())
	g.Expect(j.Laying.IsZero()).To(BeTrue())
}

// Two management clusters observing the same resource in any order come to rest, and one of them
// holds it.
func TestTwoManagementClustersComeToRestInAnyOrder(t *testing.T) {
	for order := range 1 << 12 {
		g := NewWithT(t)
		object := Machine("uid", "team", "worker")
		tags := object.HeldBy(Holder{ID: "a", Since: made}).Claimed(object.Tags())
		statuses := map[string]infrav1.ClaimStatus{"a": {ManagementCluster: "a", State: infrav1.ClaimHeld}, "b": {}}
		seen := map[string]time.Time{"a": midday}
		writes := 0
		now := midday
		for turn := range 24 {
			id := "a"
			if order>>(turn%12)&1 == 1 {
				id = "b"
			}
			now = now.Add(20 * time.Second)
			holder := Holder{ID: id, Since: made, Now: now, Window: window, Seen: seen[id], Status: statuses[id]}
			owner := object.HeldBy(holder)
			j := owner.Judge("id", tags)
			statuses[id] = holder.Next(j, now)
			switch {
			case j.Outcome == Ours:
				seen[id] = now
			case j.Again:
				tags[infrav1.HeldByTag] = owner.Laid()
				writes++
			}
		}
		g.Expect(writes).To(BeNumerically("<=", 2), "order %b", order)
		g.Expect(statuses["a"].State == infrav1.ClaimHeld && statuses["b"].State == infrav1.ClaimHeld && writes > 0 &&
			ClaimIn(tags).Holder == "a").To(BeFalse(), "both hold it, order %b", order)
	}
}

// What is looked at once an hour, since polls of other things tell of its claims within minutes.
func TestAClaimUnderOurEyesIsContestedHoweverSeldomWeLook(t *testing.T) {
	const minutes = time.Minute
	for name, world := range map[string]struct {
		looks, seen, laid time.Duration
		want              Outcome
	}{
		"looked at a moment ago":                   {looks: 60 * minutes, seen: minutes, laid: minutes, want: Contested},
		"looked at before the last look was due":   {looks: 60 * minutes, seen: 59 * minutes, laid: 50 * minutes, want: Contested},
		"not looked at for longer":                 {looks: 60 * minutes, seen: 70 * minutes, laid: minutes, want: Elsewhere},
		"looked at as often as something tells":    {seen: 59 * minutes, laid: minutes, want: Elsewhere},
		"not seen since a start, laid just before": {looks: 60 * minutes, laid: 11 * minutes, want: Contested},
		"not seen since a start, laid long before": {looks: 60 * minutes, laid: 50 * minutes, want: Elsewhere},
	} {
		holder := Holder{ID: "here", Since: made, Now: midday, Window: window, Rest: 10 * minutes, Looks: world.looks, Status: settled}
		if world.seen > 0 {
			holder.Seen = midday.Add(-world.seen)
		}
		owner := Machine("uid", "team", "worker").HeldBy(holder)
		tags := owner.Tags()
		tags[infrav1.HeldByTag] = held("there", midday.Add(-world.laid))
		NewWithT(t).Expect(owner.Judge("ocid1.instance.x", tags).Outcome).To(Equal(world.want), name)
	}
}
