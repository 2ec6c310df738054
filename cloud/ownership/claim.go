// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package ownership

import (
	"fmt"
	"maps"
	"strings"
	"time"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// skew is by how much the clock of another management cluster may be wrong. Only the first look
// after a restart goes by it.
const skew = 2 * time.Minute

// Claim says which management cluster holds a thing in OCI. Two may have the same objects: after a
// clusterctl move only one has, beside a drill with a restored backup both have. The value of the
// claim's tag is "<UID of the namespace kube-system> <time>".
type Claim struct {
	// Holder is empty if nobody claims the thing: it was made by an older version.
	Holder string
	// Since is of the holder's clock; zero if the tag does not say.
	Since time.Time
}

// ClaimIn reads the claim from a thing's tags.
func ClaimIn(tags map[string]string) Claim {
	holder, since, _ := strings.Cut(tags[infrav1.HeldByTag], " ")
	at, _ := time.Parse(time.RFC3339, since)
	return Claim{Holder: holder, Since: at}
}

// String is the value of the claim's tag.
func (c Claim) String() string {
	if c.Holder == "" {
		return ""
	}
	return c.Holder + " " + c.Since.UTC().Format(time.RFC3339)
}

// Holder is a management cluster, and what it knows about its claim to a thing. The zero value
// claims nothing and minds nobody's claim.
type Holder struct {
	// ID is the UID of the management cluster's namespace kube-system.
	ID string
	// Since goes into the claim of what is made. It must be the same for each attempt: OCI refuses
	// a retry token with another body.
	Since time.Time
	// Now is the time, Window how long a claim can be contested.
	Now    time.Time
	Window time.Duration
	// Rest is how often a thing at rest is looked at: a claim is noticed that much later.
	Rest time.Duration
	// Seen is when this process last saw its own claim, if it did.
	Seen time.Time
	// Status is what the object's status recorded.
	Status infrav1.ClaimStatus
}

// own tells whether the status was written in this management cluster. Another's comes with a
// backup.
func (h Holder) own() bool { return h.Status.ManagementCluster == h.ID }

// pending tells whether a claim was laid to what another had held, and has not stood for the
// window.
func (h Holder) pending() bool {
	return h.own() && h.Status.State == infrav1.ClaimPending
}

// stale tells whether a decision to claim is too old to be carried out. A claim is written within a
// quarter of the window after its decision, and contested within the next two; the last one is for
// the writing of that. So whoever sees his claim stand for the window knows that nobody is about to
// mind.
func (h Holder) stale() bool { return h.Now.Sub(h.Status.TakenAt.Time) > h.Window/4 }

// young tells whether somebody else's claim was laid so lately that it can be contested. What this
// process saw counts: it needs nobody else's clock.
func (h Holder) young(other Claim) bool {
	if !h.Seen.IsZero() {
		return h.Now.Sub(h.Seen) < h.Window/2+h.Rest
	}
	return h.Now.Sub(other.Since).Abs() < h.Window+h.Rest+skew
}

// HeldBy is the owner in a management cluster: what another management cluster holds is not proven
// to be his.
func (o Owner) HeldBy(holder Holder) Owner {
	o.holder = holder
	return o
}

// Claim is what the owner claims things with that he makes.
func (o Owner) Claim() Claim { return Claim{Holder: o.holder.ID, Since: o.holder.Since} }

// Claimed adds the claim to the tags of what the owner makes, if it is a thing of its own: parts of
// a VCN are whose the VCN is.
func (o Owner) Claimed(tags map[string]string) map[string]string {
	claim := o.Claim().String()
	if claim == "" {
		return tags
	}
	claimed := maps.Clone(tags)
	claimed[infrav1.HeldByTag] = claim
	return claimed
}

// holds tells whether nobody else claims a thing with the tags.
func (o Owner) holds(tags map[string]string) bool {
	holder := ClaimIn(tags).Holder
	return o.holder.ID == "" || holder == "" || holder == o.holder.ID
}

// Outcome is what follows from a thing's tags for a management cluster.
type Outcome string

const (
	// Foreign things do not carry the owner's tags.
	Foreign Outcome = "Foreign"
	// Ours is to be cared for.
	Ours Outcome = "Ours"
	// Taken over from a management cluster is what a status that was lost, or came with a backup,
	// knows nothing of.
	Taken Outcome = "Taken"
	// Contested is what somebody else claimed a moment ago, under our eyes: it is claimed back.
	Contested Outcome = "Contested"
	// Elsewhere is what another management cluster holds: nothing is done to it.
	Elsewhere Outcome = "Elsewhere"
)

// Judgement is an outcome with what may be done.
type Judgement struct {
	Outcome Outcome
	// Found is the claim that the thing carries, Tag its tag as it is.
	Found Claim
	Tag   string
	// Proof is of what is Ours. Settled says that what changes it for good may be done: a claim
	// that was laid to another's thing has to stand for the window first.
	Proof   Proof
	Settled bool
	// Laying is the proof with which a claim is laid to what is Taken or Contested.
	Laying Proof
	// Again says that the claim was decided by an earlier pass, and status has recorded it.
	Again bool
}

// Judge decides about a thing that may be claimed by another management cluster.
func (o Owner) Judge(id string, tags map[string]string) Judgement {
	h := o.holder
	proof, tagged := o.HeldBy(Holder{}).Tagged(id, tags)
	j := Judgement{Outcome: Foreign, Found: ClaimIn(tags), Tag: tags[infrav1.HeldByTag]}
	switch {
	case !tagged:
	case o.holds(tags):
		j.Outcome, j.Proof = Ours, proof
		j.Settled = !h.pending() && (h.own() || h.ID == "" || j.Found.Holder == "" || j.Found.Since.Equal(o.Claim().Since))
	case !h.own():
		// Whoever lost his status cannot know who is right: he claims, and sees whether somebody
		// minds.
		j.Outcome, j.Laying = Taken, proof
	case h.pending() && h.Status.TakenFrom == j.Tag && (!h.stale() || h.Seen.IsZero() || h.young(j.Found)):
		j.Outcome, j.Laying, j.Again = Taken, proof, !h.stale()
	case h.pending(), h.Status.State == infrav1.ClaimElsewhere, !h.young(j.Found):
		// Who was contested never claims again.
		j.Outcome = Elsewhere
	default:
		j.Outcome, j.Laying = Contested, proof
	}
	return j
}

// Next is the status that follows from a judgement of what was seen at the time.
func (h Holder) Next(j Judgement, seen time.Time) infrav1.ClaimStatus {
	next := h.Status
	switch j.Outcome {
	case Ours:
		switch {
		case h.ID == "":
		case !h.own() && !j.Settled:
			// The claim was laid, and the record of it lost.
			next = infrav1.ClaimStatus{State: infrav1.ClaimPending}
			next.TakenAt.Time = j.Found.Since
		case !h.own():
			next = infrav1.ClaimStatus{State: infrav1.ClaimHeld}
		case !h.pending() || h.Stands(seen):
			next.State = infrav1.ClaimHeld
		}
	case Taken, Contested:
		if !j.Again {
			next = infrav1.ClaimStatus{State: infrav1.ClaimPending, TakenFrom: j.Tag}
			next.TakenAt.Time = h.Now.Truncate(time.Second)
		}
	case Elsewhere:
		next.State = infrav1.ClaimElsewhere
	case Foreign:
		return next
	}
	next.ManagementCluster = h.ID
	return next
}

// Stands tells whether a claim that was seen at the time has stood for the window.
func (h Holder) Stands(seen time.Time) bool {
	return !seen.Before(h.Status.TakenAt.Add(h.Window))
}

// Laid is the claim that status has recorded, as it is written into the tag.
func (o Owner) Laid() string {
	return Claim{Holder: o.holder.ID, Since: o.holder.Status.TakenAt.Time}.String()
}

// HeldElsewhereError says that another management cluster holds a thing.
type HeldElsewhereError struct {
	// ID is the thing's OCID.
	ID string
	// Claim is the other's.
	Claim Claim
}

// Error says what to do.
func (e *HeldElsewhereError) Error() string { return e.Claim.Elsewhere(e.ID) }

// Elsewhere tells of a thing that the claim's holder holds, and what to do.
func (c Claim) Elsewhere(id string) string {
	since := "an unknown time"
	if !c.Since.IsZero() {
		since = c.Since.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s is held by another management cluster, whose namespace kube-system has the UID %s, since %s, so that nothing is done to it here: "+
		"if that is right, delete these objects, which ends nothing; else stop the other manager, remove its copies with their "+
		"finalizers, and remove the tag %s", id, c.Holder, since, infrav1.HeldByTag)
}
