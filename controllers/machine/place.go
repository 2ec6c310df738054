// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/cluster-api/util/conditions"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/image"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/placement"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
)

// maxMessage bounds what a condition lists.
const maxMessage = 1024

// place decides where the machine is launched, writes that down and ends the pass: the launch is the next one's, so that a
// restart in between repeats the same launch and not another.
func (r *Reconciler) place(ctx context.Context, s *scope) error {
	if s.launched() || (s.own.Status.Placement.Account != "" && !r.mayLeave(ctx, s)) {
		return nil
	}
	return r.choose(ctx, s)
}

// mayLeave tells whether a placement can be given up because its account fails, without the chance that it holds an instance:
// before there was a key there was no launch.
func (r *Reconciler) mayLeave(ctx context.Context, s *scope) bool {
	if s.keyExists {
		return false
	}
	account, err := r.Access.Account(ctx, s.own.Status.Placement.Account, s.own.Namespace)
	// As in facts, one whose state is not known may be placed in: else it would be left and chosen again for ever.
	return err != nil || conditions.IsFalse(account, infrav1.ReadyCondition) || !r.Pollers.Book(account).Answering(s.now)
}

// choose makes a new decision and ends the pass.
func (r *Reconciler) choose(ctx context.Context, s *scope) error {
	facts, decision, err := r.decide(ctx, s)
	if err != nil {
		return err
	}
	choice, imageID, refusals, err := r.firstWithImage(ctx, s, decision.Candidates)
	if err != nil {
		return err
	}
	s.exclusive = true
	s.stop()
	key := client.ObjectKeyFromObject(s.own)
	if choice == nil {
		s.own.Status.Placement = infrav1.Placement{}
		s.own.Status.FailureDomain = ""
		r.ledger.forget(key)
		r.nowhere(s, facts, decision, refusals)
		return nil
	}
	s.own.Status.Placement = infrav1.Placement{
		Attempt: nextAttempt(s.own), Account: choice.Account,
		AvailabilityDomain: choice.AvailabilityDomain, FaultDomain: choice.FaultDomain,
		Shape: choice.Shape, ImageID: imageID, Reason: choice.Reason,
	}
	s.own.Status.FailureDomain = choice.FailureDomain
	r.ledger.put(key, s.own.Status.Placement)
	// The write of the decision brings the next pass; this is for the case that the watch is behind.
	s.requeue(time.Second)
	ctrl.LoggerFrom(ctx).Info("Placed the machine", "Account", choice.Account, "FailureDomain", choice.FailureDomain,
		"faultDomain", choice.FaultDomain, "shape", choice.Shape, "reason", choice.Reason)
	return nil
}

// decide reads the facts and books the best place at once, so that machines that are placed at the same time see each other.
func (r *Reconciler) decide(ctx context.Context, s *scope) (placement.Facts, placement.Decision, error) {
	r.ledger.deciding.Lock()
	defer r.ledger.deciding.Unlock()
	facts, err := r.facts(ctx, s)
	if err != nil {
		return facts, placement.Decision{}, err
	}
	decision := placement.Decide(facts)
	if len(decision.Candidates) > 0 {
		best := decision.Candidates[0]
		r.ledger.put(client.ObjectKeyFromObject(s.own), infrav1.Placement{
			Account: best.Account, AvailabilityDomain: best.AvailabilityDomain, FaultDomain: best.FaultDomain,
		})
	}
	return facts, decision, nil
}

// nextAttempt counts on also when the placement was given up for lack of room: a launch that failed after OCI had accepted it
// must not be repeated under its retry token.
func nextAttempt(own *infrav1.OCIMeshMachine) int32 {
	var failures int32
	for _, shortage := range own.Status.Shortages {
		failures += shortage.Count
	}
	return max(own.Status.Placement.Attempt, failures) + 1
}

// firstWithImage returns the first candidate that has the machine's image. An account without it is passed over like one
// without room; one that does not answer is waited for.
func (r *Reconciler) firstWithImage(
	ctx context.Context, s *scope, candidates []placement.Candidate,
) (*placement.Candidate, string, []error, error) {
	type query struct{ account, availabilityDomain, shape string }
	refused := map[query]bool{}
	var refusals []error
	for i := range candidates {
		candidate := &candidates[i]
		asked := query{candidate.Account, candidate.AvailabilityDomain, candidate.Shape}
		if refused[asked] {
			continue
		}
		c, err := r.clientToPlaceIn(ctx, candidate.Account, s.own.Namespace)
		if err != nil {
			return nil, "", nil, failed(infrav1.PlacedCondition, err)
		}
		imageID, err := r.images.find(ctx, c, image.Query{
			Image: s.own.Spec.Image, Shape: candidate.Shape, AvailabilityDomain: candidate.AvailabilityDomain,
		}, s.now)
		if err == nil {
			return candidate, imageID, nil, nil
		}
		if imageReason(err) == "" {
			return nil, "", nil, failed(infrav1.PlacedCondition, err)
		}
		refused[asked] = true
		refusals = append(refusals, &access.Problem{
			Reason: imageReason(err), Message: fmt.Sprintf("%s: %s", candidate.Account, err), Err: err,
		})
	}
	return nil, "", refusals, nil
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

// nowhere says why there is no place, and when the next try is.
func (r *Reconciler) nowhere(s *scope, facts placement.Facts, decision placement.Decision, refusals []error) {
	poll := r.Options.withDefaults().PollInterval
	switch next := decision.NextTry(); {
	case decision.UnknownFailureDomain:
		s.waitFor(poll, infrav1.PlacedCondition, infrav1.FailureDomainUnknownReason,
			"Failure domain %s is none of the cluster's: mend the failureDomain of the Machine or of what made it",
			facts.FailureDomain)
	case len(refusals) > 0:
		var messages []string
		for _, refusal := range refusals {
			messages = append(messages, problemMessage(refusal))
		}
		s.waitFor(poll, infrav1.PlacedCondition, problemReason(refusals[0]), "No account can launch the machine: %s", enumerate(messages))
	case !next.IsZero():
		s.waitFor(max(time.Second, next.Sub(s.now)), infrav1.PlacedCondition, infrav1.NoCapacityReason,
			"No room anywhere: %s; next try at %s; allow other shapes or accounts, or wait",
			enumerate(shortages(decision)), next.UTC().Format(time.RFC3339))
	default:
		s.waitFor(poll, infrav1.PlacedCondition, infrav1.NoAccountReason, "No account can take the machine: %s",
			enumerate(rejections(decision)))
	}
}

func shortages(decision placement.Decision) []string {
	var out []string
	for _, rejection := range decision.Rejections {
		if rejection.Reason != placement.Short {
			continue
		}
		words := []string{rejection.AvailabilityDomain, rejection.FaultDomain, rejection.Shape}
		words = slices.DeleteFunc(words, func(word string) bool { return word == "" })
		out = append(out, fmt.Sprintf("%s %s (%s)", rejection.Account, strings.Join(words, " "), rejection.Message))
	}
	return out
}

func rejections(decision placement.Decision) []string {
	var out []string
	for _, rejection := range decision.Rejections {
		if rejection.Reason != placement.OtherFailureDomain {
			out = append(out, rejection.Account+": "+rejection.Message)
		}
	}
	return out
}

// enumerate joins the texts, as many as a message has room for.
func enumerate(texts []string) string {
	if len(texts) == 0 {
		return "the cluster has none"
	}
	var out strings.Builder
	for i, text := range texts {
		if i > 0 && out.Len()+len(text) > maxMessage {
			fmt.Fprintf(&out, "; and %d more", len(texts)-i)
			break
		}
		if i > 0 {
			out.WriteString("; ")
		}
		out.WriteString(text)
	}
	return out.String()
}
