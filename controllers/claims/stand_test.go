// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package claims

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

const id = "ocid1.instance.oc1..a"

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// thing has the tags of its object, which was made an hour ago, and another holder's if one is
// named.
func thing(status infrav1.ClaimStatus, heldBy string) Thing {
	object := &infrav1.OCIMeshMachine{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: "machine", CreationTimestamp: metav1.NewTime(now.Add(-time.Hour)),
	}}
	owner := ownership.Machine("uid", "default", "machine")
	tags := owner.Tags()
	if heldBy != "" {
		tags[infrav1.HeldByTag] = heldBy
	}
	return Thing{Object: object, Owner: owner, Status: status, ID: id, Tags: tags, At: now, Now: now}
}

func tagOf(holder string, since time.Time) string {
	return ownership.Claim{Holder: holder, Since: since}.String()
}

func TestAManagementClusterStandsToAThingAsTagsAndRecordSay(t *testing.T) {
	t.Parallel()
	old := tagOf("there", now.Add(-24*time.Hour))
	held := infrav1.ClaimStatus{ManagementCluster: "here", State: infrav1.ClaimHeld}
	pending := infrav1.ClaimStatus{ManagementCluster: "here", State: infrav1.ClaimPending, TakenFrom: old}
	pending.TakenAt = metav1.NewTime(now.Add(-time.Second))
	left := infrav1.ClaimStatus{ManagementCluster: "here", State: infrav1.ClaimElsewhere}
	for name, test := range map[string]struct {
		thing  Thing
		nobody bool
		want   Standing
		state  infrav1.ClaimState
		events int
	}{
		"nobody minds claims":     {thing: thing(infrav1.ClaimStatus{}, ""), nobody: true, want: Standing{Ours: true, Settled: true}},
		"without tags":            {thing: Thing{Object: thing(held, "").Object, Status: held, ID: id}, want: Standing{Ours: true, Settled: true}, state: infrav1.ClaimHeld},
		"never claimed":           {thing: thing(held, ""), want: Standing{Ours: true, Settled: true}, state: infrav1.ClaimHeld},
		"another's, not recorded": {thing: thing(infrav1.ClaimStatus{}, old), want: Standing{Undecided: true}, state: infrav1.ClaimPending, events: 1},
		"another's, recorded":     {thing: thing(pending, old), want: Standing{Unwritten: true}, state: infrav1.ClaimPending},
		"left to another":         {thing: thing(left, old), want: Standing{Elsewhere: true}, state: infrav1.ClaimElsewhere},
		"taken by an older copy":  {thing: thing(held, old), want: Standing{Elsewhere: true}, state: infrav1.ClaimElsewhere},
		"taken by a younger copy": {thing: thing(held, tagOf("there", now)), want: Standing{Undecided: true}, state: infrav1.ClaimPending, events: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			claims := New("here", 0)
			if test.nobody {
				claims = nil
			}
			recorder := events.NewFakeRecorder(10)
			got := claims.Stand(test.thing, recorder)
			g.Expect(got.Status.State).To(Equal(test.state))
			g.Expect(recorder.Events).To(HaveLen(test.events))
			g.Expect(Standing{
				Ours: got.Ours, Settled: got.Settled, Elsewhere: got.Elsewhere, Undecided: got.Undecided, Unwritten: got.Unwritten,
			}).To(Equal(test.want))
		})
	}
}

func TestALaidClaimIsTheRecordedOneOverTheTagThatWasSeen(t *testing.T) {
	t.Parallel()
	old := tagOf("there", now.Add(-24*time.Hour))
	pending := infrav1.ClaimStatus{ManagementCluster: "here", State: infrav1.ClaimPending, TakenFrom: old}
	pending.TakenAt = metav1.NewTime(now.Add(-time.Second))
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		answer error
		laid   bool
		err    error
	}{
		"written":             {laid: true},
		"changed meanwhile":   {answer: &cloud.Error{Kind: cloud.Conflict}},
		"any other complaint": {answer: broken, err: broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := NewWithT(t)
			standing := New("here", 0).Stand(thing(pending, old), nil)
			var proof ownership.Proof
			var change oci.TagChange
			_, laid, err := Lay(t.Context(), standing, func(_ context.Context, p ownership.Proof, c oci.TagChange) (oci.Instance, error) {
				proof, change = p, c
				return oci.Instance{}, test.answer
			})
			g.Expect(laid).To(Equal(test.laid))
			if test.err == nil {
				g.Expect(err).NotTo(HaveOccurred())
			} else {
				g.Expect(err).To(MatchError(test.err))
			}
			g.Expect(proof.ID()).To(Equal(id))
			g.Expect(change).To(Equal(oci.TagChange{Key: infrav1.HeldByTag, From: old, To: tagOf("here", pending.TakenAt.Time)}))
		})
	}
}
