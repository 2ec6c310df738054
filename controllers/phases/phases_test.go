// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package phases_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/access"
	"github.com/ocimesh/cluster-api-provider-ocimesh/controllers/phases"
)

const first, second = "FirstReady", "SecondReady"

type scope struct {
	phases.Pass
	ran []string
}

func newScope() *scope {
	return &scope{Pass: phases.Pass{Intervals: phases.Intervals{
		Poll: time.Hour, Retry: time.Minute, Progress: time.Second, Outside: 30 * time.Minute, Least: 10 * time.Second,
	}}}
}

// phase notes that it ran, and returns what run does.
func phase(name, condition string, run func(*scope) error) phases.Phase[*scope] {
	return phases.Phase[*scope]{Name: name, Condition: condition, Run: func(_ context.Context, s *scope) error {
		s.ran = append(s.ran, name)
		return run(s)
	}}
}

func fine(*scope) error { return nil }

func failing(err error) func(*scope) error { return func(*scope) error { return err } }

var conflict = apierrors.NewConflict(schema.GroupResource{Resource: "things"}, "thing", errors.New("changed"))

// waiting is a Waiter.
type waiting struct{ after time.Duration }

func (w waiting) Error() string { return "waiting" }

func (w waiting) Waiting() *access.Problem {
	return &access.Problem{Reason: infrav1.WaitingReason, Message: "Waiting for a poll", RetryAfter: w.after}
}

func TestThePassEndsWithTheFirstPhaseThatCannotGoOn(t *testing.T) {
	problem := access.NewProblem(infrav1.SecretNotFoundReason, "no Secret")
	independent := phase("one", first, failing(problem))
	independent.Independent = true
	for name, test := range map[string]struct {
		one phases.Phase[*scope]
		ran []string
	}{
		"all is well":                 {phase("one", first, fine), []string{"one", "two"}},
		"a problem":                   {phase("one", first, failing(problem)), []string{"one"}},
		"an independent one":          {independent, []string{"one", "two"}},
		"an error of the API server":  {phase("one", first, failing(conflict)), []string{"one"}},
		"the phase stopped the pass":  {phase("one", first, func(s *scope) error { s.Stop(); return nil }), []string{"one"}},
		"the phase waits for a while": {phase("one", first, failing(waiting{time.Second})), []string{"one"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScope()
			_ = phases.Run(t.Context(), s, []phases.Phase[*scope]{test.one, phase("two", second, fine)})
			NewWithT(t).Expect(s.ran).To(Equal(test.ran))
		})
	}
}

func TestAProblemGoesIntoTheConditionOfItsPhase(t *testing.T) {
	problem := access.NewProblem(infrav1.SecretNotFoundReason, "no Secret")
	type told struct {
		condition, status, reason string
	}
	for name, test := range map[string]struct {
		err      error
		told     told
		deletion bool
		returned bool
	}{
		"a problem":                           {err: problem, told: told{first, "False", infrav1.SecretNotFoundReason}},
		"a wrapped one":                       {err: fmt.Errorf("connecting: %w", problem), told: told{first, "False", infrav1.SecretNotFoundReason}},
		"of another":                          {err: phases.In(second, problem), told: told{second, "False", infrav1.SecretNotFoundReason}},
		"not seen":                            {err: phases.Unseen(problem), told: told{first, "Unknown", infrav1.SecretNotFoundReason}},
		"of a deletion":                       {err: phases.In(infrav1.DeletingCondition, problem), deletion: true},
		"a cloud's error":                     {err: &cloud.Error{Kind: cloud.Unavailable}, told: told{first, "False", infrav1.UnavailableReason}},
		"a bug":                               {err: errors.New("nil map"), told: told{first, "False", infrav1.InternalErrorReason}, returned: true},
		"the API server's":                    {err: fmt.Errorf("reading: %w", conflict), returned: true},
		"a silent wait":                       {err: waiting{time.Second}},
		"a wait of another condition":         {err: phases.In(second, waiting{time.Second})},
		"the API server's in another's place": {err: phases.In(second, conflict), returned: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := newScope()
			err := phases.Run(t.Context(), s, []phases.Phase[*scope]{phase("one", first, failing(test.err))})
			g.Expect(err != nil).To(Equal(test.returned))
			var all []told
			for _, condition := range []string{first, second} {
				if found, ok := s.Noted(condition); ok {
					all = append(all, told{found.Type, string(found.Status), found.Reason})
				}
			}
			if test.told == (told{}) {
				g.Expect(all).To(BeEmpty())
			} else {
				g.Expect(all).To(ConsistOf(test.told))
			}
			g.Expect(s.Deletion != nil).To(Equal(test.deletion))
		})
	}
}

func TestADeletionSaysWhatItWaitsFor(t *testing.T) {
	g := NewWithT(t)
	s := newScope()
	one := phase("one", infrav1.DeletingCondition, failing(waiting{time.Second}))
	g.Expect(phases.Run(t.Context(), s, []phases.Phase[*scope]{one})).To(Succeed())
	g.Expect(s.Deletion.Message).To(Equal("Waiting for a poll"))
}

func TestTheFirstFindingOfAConditionStays(t *testing.T) {
	g := NewWithT(t)
	s := newScope()
	s.Note(first, "Cause", "message of %s", "the cause")
	s.Note(first, "Consequence", "another")
	s.NoteUnknown(second, "NotSeen", "nobody looked")
	fallback := func() metav1.Condition { return metav1.Condition{Reason: "Fallback"} }
	g.Expect(s.Found(first, fallback).Reason).To(Equal("Cause"))
	g.Expect(s.Found(first, fallback).Message).To(Equal("message of the cause"))
	g.Expect(s.Found(second, fallback).Status).To(Equal(metav1.ConditionUnknown))
	g.Expect(s.Found("ThirdReady", fallback).Reason).To(Equal("Fallback"))
}

func TestTheNextPassIsDueByTheKindOfTheProblem(t *testing.T) {
	due := func(reason string, after time.Duration) error {
		return &access.Problem{Reason: reason, Message: "message", RetryAfter: after}
	}
	for name, test := range map[string]struct {
		err  error
		want time.Duration
	}{
		"a person has to fix it":     {due(infrav1.SecretInvalidReason, 0), time.Hour},
		"nobody watches the fix":     {due(infrav1.AuthenticationFailedReason, 0), 30 * time.Minute},
		"it passes by itself":        {due(infrav1.UnavailableReason, 0), time.Minute},
		"an account does not answer": {due(infrav1.WaitingForAccountReason, 0), time.Minute},
		"something is being made":    {due(infrav1.NetworkProvisioningReason, 0), time.Second},
		"the service asks for time":  {due(infrav1.ThrottledReason, 5*time.Minute), 5 * time.Minute},
		"it asks for too little":     {due(infrav1.ThrottledReason, time.Second), 10 * time.Second},
		"the wait was given":         {waiting{7 * time.Minute}, 7 * time.Minute},
		"the wait is too long":       {waiting{24 * time.Hour}, time.Hour},
		"the workqueue has to retry": {conflict, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := newScope()
			_ = phases.Run(t.Context(), s, []phases.Phase[*scope]{phase("one", first, failing(test.err))})
			after := s.Result().RequeueAfter
			g.Expect(after).To(And(BeNumerically(">=", test.want), BeNumerically("<=", test.want+test.want/10)))
		})
	}
}

func TestTheEarliestNextPassCounts(t *testing.T) {
	g := NewWithT(t)
	s := newScope()
	g.Expect(s.Result().RequeueAfter).To(BeZero())
	s.Requeue(time.Hour)
	s.WaitFor(time.Minute, first, "Reason", "message")
	s.WaitFor(0, second, "Reason", "message")
	g.Expect(s.Result().RequeueAfter).To(BeNumerically("~", time.Minute, 6*time.Second))
}

// A phase may forget to ask for the next pass: nobody would look again.
func TestWhatIsNotedIsLookedAtAgainAtTheReasonsPace(t *testing.T) {
	for name, test := range map[string]struct {
		run  func(*scope) error
		want time.Duration
	}{
		"nothing is noted":       {fine, 0},
		"a person has to fix it": {func(s *scope) error { s.Note(first, infrav1.SecretInvalidReason, "message"); return nil }, time.Hour},
		"something is being made": {func(s *scope) error {
			s.Note(first, infrav1.SecretInvalidReason, "message")
			s.Note(second, infrav1.JoiningReason, "message")
			s.Stop()
			return nil
		}, time.Second},
		"nobody knows": {func(s *scope) error { s.NoteUnknown(first, "Odd", "message"); return nil }, time.Hour},
		"the phase asks for it": {func(s *scope) error {
			s.Note(first, infrav1.JoiningReason, "message")
			s.Requeue(5 * time.Hour)
			return nil
		}, 5 * time.Hour},
		"the phase leaves it to a watch": {func(s *scope) error {
			s.WaitFor(0, first, infrav1.WaitingForBootstrapDataReason, "message")
			return nil
		}, 0},
		"the workqueue has to retry": {func(s *scope) error { s.Note(first, infrav1.JoiningReason, "message"); return conflict }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			s := newScope()
			_ = phases.Run(t.Context(), s, []phases.Phase[*scope]{phase("one", first, test.run)})
			after := s.Result().RequeueAfter
			g.Expect(after).To(And(BeNumerically(">=", test.want), BeNumerically("<=", test.want+test.want/10)))
		})
	}
}

func TestIntervalsHaveDefaults(t *testing.T) {
	NewWithT(t).Expect(phases.Intervals{}.WithDefaults()).To(Equal(phases.Intervals{
		Poll: time.Minute, Retry: 10 * time.Second, Progress: 10 * time.Second, Outside: time.Minute,
	}))
}

func TestAPassAtRestAsksForTheNextOneOnlyIfNoOtherWasAskedFor(t *testing.T) {
	g := NewWithT(t)
	s := newScope()
	s.Rest()
	g.Expect(s.Result().RequeueAfter).To(BeNumerically("~", time.Hour, 6*time.Minute))

	s = newScope()
	s.Requeue(5 * time.Hour)
	s.Rest()
	g.Expect(s.Result().RequeueAfter).To(BeNumerically(">=", 5*time.Hour), "the service asked for that")
}
