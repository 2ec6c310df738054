// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package claims

import (
	"context"
	"time"

	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/oci"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/ownership"
)

// Thing is an instance or an instance pool with, perhaps, another management cluster's claim.
type Thing struct {
	// Object stands for it, and Owner is the object as its owner. Status is the object's record.
	Object client.Object
	Owner  ownership.Owner
	Status infrav1.ClaimStatus
	// ID and Tags are what OCI showed at the time At.
	ID   string
	Tags map[string]string
	At   time.Time
	// Now is the time of the pass. Rest is how often a thing at rest is looked at, if polls do not
	// show it.
	Now  time.Time
	Rest time.Duration
}

// Standing is how this management cluster stands to a thing. If it is neither ours nor elsewhere, a
// claim to it is on its way.
type Standing struct {
	// Ours is in our care. What cannot be undone waits until it is settled, too.
	Ours, Settled bool
	// Elsewhere is held by another management cluster. Claim is the one that was found.
	Elsewhere bool
	Claim     ownership.Claim
	// Owner and Status follow from the decision.
	Owner  ownership.Owner
	Status infrav1.ClaimStatus
	// Undecided asks for a record of Status before the claim is written; Unwritten for the claim,
	// by Lay.
	Undecided, Unwritten bool

	judgement ownership.Judgement
}

// Tag is what the thing's tag said of its holder.
func (s Standing) Tag() string { return s.judgement.Tag }

// Stand decides about a thing. A decision to claim it is to be recorded before the claim is
// written: a later reader of another claim then knows of the contest. Events tell of it, once.
func (c *Claims) Stand(t Thing, recorder events.EventRecorder) Standing {
	holder := c.Holder(t.Object, t.Status, t.ID, t.Now, t.Rest)
	s := Standing{Owner: t.Owner.HeldBy(holder), Status: t.Status}
	s.judgement = s.Owner.Judge(t.ID, t.Tags)
	if s.judgement.Outcome == ownership.Foreign {
		// What is recorded needs no tags.
		s.Ours, s.Settled = true, true
		return s
	}
	s.Status, s.Claim = c.Next(holder, s.judgement, t.ID, t.At), s.judgement.Found
	Tell(recorder, t.Object, s.judgement, t.ID)
	switch s.judgement.Outcome {
	case ownership.Ours:
		s.Ours, s.Settled = true, !s.Status.State.IsPending()
		s.Owner = t.Owner.HeldBy(c.Holder(t.Object, s.Status, t.ID, t.Now, t.Rest))
	case ownership.Elsewhere:
		s.Elsewhere = true
	default:
		s.Undecided, s.Unwritten = !s.judgement.Again, s.judgement.Again
	}
	return s
}

// Lay writes the recorded claim, by the call for such things. It is not laid if the tag has changed
// since it was seen, or OCI is at another change: the next look shows how it is.
func Lay[T any](
	ctx context.Context, s Standing, call func(context.Context, ownership.Proof, oci.TagChange) (T, error),
) (updated T, laid bool, err error) {
	updated, err = call(ctx, s.judgement.Laying, oci.TagChange{Key: infrav1.HeldByTag, From: s.Tag(), To: s.Owner.Laid()})
	if cloud.IsKind(err, cloud.Conflict) {
		return updated, false, nil
	}
	return updated, err == nil, err
}
