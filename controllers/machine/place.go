// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/cluster-api/util/conditions"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/capacity"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/image"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// place decides where the machine is launched, writes that down and ends the pass: the launch is
// the next one's, so that a restart in between repeats the same launch and not another.
func (r *Reconciler) place(ctx context.Context, s *scope) error {
	if s.launched() || (s.own.Status.Placement.Account != "" && !r.mayLeave(ctx, s)) {
		return nil
	}
	return r.choose(ctx, s)
}

// mayLeave tells whether a placement can be given up because its account fails, without the chance
// that it holds an instance: before there was a key there was no launch.
func (r *Reconciler) mayLeave(ctx context.Context, s *scope) bool {
	if s.keyExists {
		return false
	}
	account, err := r.Access.Account(ctx, s.own.Status.Placement.Account, s.own.Namespace)
	// As in facts, one whose state is not known may be placed in: else it would be left and chosen
	// again for ever.
	return err != nil || conditions.IsFalse(account, infrav1.ReadyCondition) || !r.Pollers.Book(account).Answering(s.now)
}

// choose makes a new decision and ends the pass.
func (r *Reconciler) choose(ctx context.Context, s *scope) error {
	if behind, err := r.isBehind(ctx, s); err != nil || behind {
		s.unseen = true
		s.stop()
		s.requeue(time.Second)
		return err
	}
	key := client.ObjectKeyFromObject(s.own)
	facts, decision, imageID, refusals, err := r.firstWithImage(ctx, s)
	if err != nil {
		r.unbook(ctx, key)
		return err
	}
	s.exclusive = true
	s.stop()
	if len(decision.Candidates) == 0 {
		s.own.Status.Placement = infrav1.Placement{}
		s.own.Status.FailureDomain = ""
		// The search for an instance, which there was none of, need not begin anew: nothing was
		// launched.
		r.unbook(ctx, key)
		r.nowhere(s, facts, decision, refusals)
		return nil
	}
	choice := decision.Candidates[0]
	s.own.Status.Placement = r.fleet.where(key)
	s.own.Status.Placement.ImageID = imageID
	s.own.Status.FailureDomain = choice.FailureDomain
	// The write of the decision brings the next pass; this is for the case that the watch is
	// behind.
	s.requeue(time.Second)
	r.placed(ctx, choice)
	return nil
}

// isBehind tells whether this pass was given the machine as it was before a decision of this
// process: that one is written, its place is reserved, and another must not take that away. What
// was decided and never written is decided anew.
func (r *Reconciler) isBehind(ctx context.Context, s *scope) (bool, error) {
	if r.fleet.where(client.ObjectKeyFromObject(s.own)).Attempt <= s.before.Status.Placement.Attempt {
		return false, nil
	}
	current := &infrav1.OCIMeshMachine{}
	if err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(s.own), current); err != nil {
		return true, client.IgnoreNotFound(err)
	}
	return current.ResourceVersion != s.before.ResourceVersion, nil
}

// unbook takes back what was booked for the machine, and lets others try what it was to try.
func (r *Reconciler) unbook(ctx context.Context, key client.ObjectKey) {
	r.letGo(ctx, key)
	r.fleet.cancel(key)
}

// placed is the one point at which a placement is decided.
func (r *Reconciler) placed(ctx context.Context, choice placement.Candidate) {
	ctrl.LoggerFrom(ctx).Info("Placed the machine", "Account", choice.Account, "FailureDomain", choice.FailureDomain,
		"faultDomain", choice.FaultDomain, "shape", choice.Shape, "reason", choice.Reason)
}

// decide reads the facts and books the best place at once, so that machines that are placed at the
// same time see each other, and the last of a budget is given away once.
func (r *Reconciler) decide(ctx context.Context, s *scope, refused []placement.Place) (placement.Facts, placement.Decision, error) {
	r.fleet.deciding.Lock()
	defer r.fleet.deciding.Unlock()
	facts, err := r.facts(ctx, s)
	if err != nil {
		return facts, placement.Decision{}, err
	}
	facts.Refused = refused
	decision := placement.Decide(facts)
	if len(decision.Candidates) > 0 {
		err = r.book(ctx, s, decision.Candidates[0])
	}
	return facts, decision, err
}

// book notes the place for the machine, and that it is the one that tries the place if that was
// short.
func (r *Reconciler) book(ctx context.Context, s *scope, best placement.Candidate) error {
	key := client.ObjectKeyFromObject(s.own)
	r.letGo(ctx, key)
	account, err := r.account(ctx, best.Account)
	if err != nil {
		return failed(infrav1.PlacedCondition, err)
	}
	booked := infrav1.Placement{
		Attempt: nextAttempt(s.own), Account: best.Account, AvailabilityDomain: best.AvailabilityDomain,
		FaultDomain: best.FaultDomain, Shape: best.Shape, Reason: best.Reason,
	}
	r.Pollers.Shortages(account).Claim(placeOf(booked), key.String(), s.now)
	r.fleet.book(s.own, booked)
	return nil
}

// letGo lets others try what the machine was to try.
func (r *Reconciler) letGo(ctx context.Context, key client.ObjectKey) {
	if account, err := r.account(ctx, r.fleet.where(key).Account); err == nil {
		r.Pollers.Shortages(account).Release(key.String())
	}
}

// sizeOf is what the machine asks of its shapes.
func sizeOf(own *infrav1.OCIMeshMachine) func(shape string) capacity.Size {
	return func(shape string) capacity.Size {
		size := placement.ShapeNamed(own.Spec, shape).Size
		return capacity.Size{OCPUs: size.OCPUs, MemoryGB: size.MemoryGB}
	}
}

func placeOf(at infrav1.Placement) capacity.Place {
	return capacity.Place{
		Account: at.Account, AvailabilityDomain: at.AvailabilityDomain, FaultDomain: at.FaultDomain, Shape: at.Shape,
	}
}

// nextAttempt counts on also when the placement was given up for lack of room: a launch that failed
// after OCI had accepted it must not be repeated under its retry token.
func nextAttempt(own *infrav1.OCIMeshMachine) int32 {
	var failures int32
	for _, shortage := range own.Status.Shortages {
		failures += shortage.Count
	}
	return max(own.Status.Placement.Attempt, failures) + 1
}

// firstWithImage decides until the best place has the machine's image. A place without it is passed
// over like one without room; one that does not answer is waited for. Each time is a decision of
// its own, since what was not booked may be gone.
func (r *Reconciler) firstWithImage(ctx context.Context, s *scope) (
	facts placement.Facts, decision placement.Decision, imageID string, refusals []error, err error,
) {
	var refused []placement.Place
	for {
		facts, decision, err = r.decide(ctx, s, refused)
		if err != nil || len(decision.Candidates) == 0 {
			return facts, decision, "", refusals, err
		}
		best := decision.Candidates[0]
		c, err := r.clientToPlaceIn(ctx, best.Account, s.own.Namespace)
		if err != nil {
			return facts, decision, "", nil, failed(infrav1.PlacedCondition, err)
		}
		imageID, err = r.images.find(ctx, c, image.Query{
			Image: s.own.Spec.Image, Shape: best.Shape, AvailabilityDomain: best.AvailabilityDomain,
		}, s.now)
		if err == nil {
			return facts, decision, imageID, nil, nil
		}
		if imageReason(err) == "" {
			return facts, decision, "", nil, failed(infrav1.PlacedCondition, err)
		}
		refused = append(refused, placement.Place{
			Account: best.Account, AvailabilityDomain: best.AvailabilityDomain, Shape: best.Shape,
		})
		refusals = append(refusals, &access.Problem{
			Reason: imageReason(err), Message: fmt.Sprintf("%s: %s", best.Account, err), Err: err,
		})
	}
}

func imageReason(err error) string {
	var notFound *image.NotFoundError
	var mismatch *image.MismatchError
	var noShape *image.ShapeNotFoundError
	switch {
	case errors.As(err, &notFound):
		return infrav1.ImageNotFoundReason
	case errors.As(err, &mismatch):
		return infrav1.ImageArchitectureMismatchReason
	case errors.As(err, &noShape):
		return infrav1.ShapeNotFoundReason
	}
	return ""
}
