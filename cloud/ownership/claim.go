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

// skew bounds the error of another management cluster's clock. It matters only for the first
// observation after a restart.
const skew = 2 * time.Minute

// Claim names the management cluster holding a resource in OCI. Two may have the same objects:
// after a clusterctl move only one has, during a drill with a restored backup both have. The value
// of the claim's tag is "<UID of the namespace kube-system> <time>".
type Claim struct {
	// Holder is empty for an unclaimed resource: an older version made it.
	Holder string
	// Since is by the holder's clock; zero if the tag does not say.
	Since time.Time
}

// ClaimIn reads the claim from a resource's tags.
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

// Holder is a management cluster with its knowledge about its claim to a resource. The zero value
// claims nothing and ignores all claims.
type Holder struct {
	// ID is the UID of the management cluster's namespace kube-system.
	ID string
	// Since goes into the claim of a new resource. It must be the same for each attempt: OCI
	// refuses a retry token with another body.
	Since time.Time
	// Now is the time, Window how long a claim can be contested.
	Now    time.Time
	Window time.Duration
	// Rest is the interval for observing a resource at rest: a claim may be noticed so much later.
	Rest time.Duration
	// Looks is the interval for looking at the resource itself, if something else tells of others'
	// claims within Rest; 0 is Rest.
	Looks time.Duration
	// Seen is when this process last saw its own claim, if it did.
	Seen time.Time
	// Status is the record in the object's status.
	Status infrav1.ClaimStatus
}

// own tells whether the status was written in this management cluster. Another's comes with a
// backup.
func (h Holder) own() bool { return h.Status.ManagementCluster == h.ID }

// pending tells whether a claim to another holder's resource has yet to stand for the window.
func (h Holder) pending() bool {
	return h.own() && h.Status.State.IsPending()
}

// stale tells whether a decision to claim is too old to be carried out. A claim is written within a
// quarter of the window after its decision, and contested within the next two; the last quarter is
// for writing the contest. So a claim that has stood for the window is safe: no contest is on its
// way.
func (h Holder) stale() bool { return h.Now.Sub(h.Status.TakenAt.Time) > h.Window/4 }

// young tells whether another holder's claim is recent enough to be contested. The time seen by
// this process counts: it needs no other clock.
func (h Holder) young(other Claim) bool {
	if !h.Seen.IsZero() {
		return h.Now.Sub(h.Seen) < h.Window/2+max(h.Rest, h.Looks)
	}
	return h.Now.Sub(other.Since).Abs() < h.Window+h.Rest+skew
}

// HeldBy is the owner in a management cluster: resources held by another management cluster are not
// proven to be the owner's.
func (o Owner) HeldBy(holder Holder) Owner {
	o.holder = holder
	return o
}

// Claim is the owner's claim for new resources.
func (o Owner) Claim() Claim { return Claim{Holder: o.holder.ID, Since: o.holder.Since} }

// Claimed adds the claim to the tags of a new resource, if it is independent: parts of a VCN belong
// to the holder of the VCN.
func (o Owner) Claimed(tags map[string]string) map[string]string {
	claim := o.Claim().String()
	if claim == "" {
		return tags
	}
	claimed := maps.Clone(tags)
	claimed[infrav1.HeldByTag] = claim
	return claimed
}

// holds tells whether a resource with the tags is free of other holders' claims.
func (o Owner) holds(tags map[string]string) bool {
	holder := ClaimIn(tags).Holder
	return o.holder.ID == "" || holder == "" || holder == o.holder.ID
}

// Outcome is the consequence of a resource's tags for a management cluster.
type Outcome string

const (
	// Foreign resources do not carry the owner's tags.
	Foreign Outcome = "Foreign"
	// Ours is to be managed.
	Ours Outcome = "Ours"
	// Taken is a resource to take over from another management cluster: the status was lost, or
	// came with a backup, and knows nothing of it.
	Taken Outcome = "Taken"
	// Contested was claimed by another holder a moment ago, while we watched: it is claimed back.
	Contested Outcome = "Contested"
	// Elsewhere is held by another management cluster: nothing is done to it.
	Elsewhere Outcome = "Elsewhere"
)

// Judgement is an outcome with the permitted actions.
type Judgement struct {
	Outcome Outcome
	// Found is the resource's claim, Tag its raw tag.
	Found Claim
	Tag   string
	// Proof is for Ours. Settled is set if irreversible changes may be made: a claim to another's
	// resource has to stand for the window first.
	Proof   Proof
	Settled bool
	// Laying is the proof for writing a claim to a resource that is Taken or Contested.
	Laying Proof
	// Again is set if an earlier pass decided the claim, and status has recorded it.
	Again bool
}

// Judge decides about a resource, possibly claimed by another management cluster.
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
		// Without a status there is no telling which claim is right: claim, and see whether it is
		// contested.
		j.Outcome, j.Laying = Taken, proof
	case h.pending() && h.Status.TakenFrom == j.Tag && (!h.stale() || h.Seen.IsZero() || h.young(j.Found)):
		j.Outcome, j.Laying, j.Again = Taken, proof, !h.stale()
	case h.pending(), h.Status.State.IsElsewhere(), !h.young(j.Found):
		// A contested holder never claims again.
		j.Outcome = Elsewhere
	default:
		j.Outcome, j.Laying = Contested, proof
	}
	return j
}

// Next is the new status after a judgement of an observation at the time.
func (h Holder) Next(j Judgement, seen time.Time) infrav1.ClaimStatus {
	next := h.Status
	switch j.Outcome {
	case Ours:
		switch {
		case h.ID == "":
		case !h.own() && !j.Settled:
			// The claim was written, and the record of it lost.
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

// Stands tells whether a claim seen at the time has stood for the window.
func (h Holder) Stands(seen time.Time) bool {
	return !seen.Before(h.Status.TakenAt.Add(h.Window))
}

// Laid is the claim recorded in status, as it is written into the tag.
func (o Owner) Laid() string {
	return Claim{Holder: o.holder.ID, Since: o.holder.Status.TakenAt.Time}.String()
}

// HeldElsewhereError reports a resource held by another management cluster.
type HeldElsewhereError struct {
	// ID is the resource's OCID.
	ID string
	// Claim is the other's.
	Claim Claim
}

// Error says what to do.
func (e *HeldElsewhereError) Error() string { return e.Claim.Elsewhere(e.ID) }

// Elsewhere reports a resource held by the claim's holder, and the remedy.
func (c Claim) Elsewhere(id string) string {
	since := "an unknown time"
	if !c.Since.IsZero() {
		since = c.Since.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("%s is held by another management cluster, whose namespace kube-system has the UID %s, since %s, so that nothing is done to it here: "+
		"if that is right, delete these objects, which ends nothing; else stop the other manager, remove its copies with their "+
		"finalizers, and remove the tag %s", id, c.Holder, since, infrav1.HeldByTag)
}
