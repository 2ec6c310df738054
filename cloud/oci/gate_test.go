// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
)

var (
	errThrottled = &cloud.Error{Kind: cloud.Throttled, Status: 429}
	errSilent    = &cloud.Error{Kind: cloud.Unavailable, Message: "no answer in time", RequestID: "req-1"}
	read         = operation{service: serviceCompute, name: "ListInstances"}
	launch       = operation{service: serviceCompute, name: operationLaunch}
	terminate    = operation{service: serviceCompute, name: "TerminateInstance"}
	regions      = operation{service: serviceIdentity, name: "ListRegionSubscriptions"}
)

// turnstile is a gate and its time.
type turnstile struct {
	*gate
	now time.Time
}

func newTurnstile(t *testing.T) *turnstile {
	t.Helper()
	metrics, err := NewMetrics(prometheus.NewRegistry())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	s := &turnstile{now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	s.gate = newGate("alpha", Limits{
		Reads: Budget{PerSecond: 10, Burst: 20}, Creates: Budget{PerSecond: 2, Burst: 4}, Deletes: Budget{PerSecond: 2, Burst: 4},
		InFlight: 3, Clock: func() time.Time { return s.now },
	}, metrics)
	return s
}

// call makes a call, ending with an error or without one.
func (s *turnstile) call(op operation, end error) error {
	p, err := s.enter(context.Background(), op)
	if err == nil {
		s.leave(p, end)
	}
	return err
}

// sent is how many of so many calls are let through.
func (s *turnstile) sent(op operation, calls int, end error) int {
	sent := 0
	for range calls {
		if s.call(op, end) == nil {
			sent++
		}
	}
	return sent
}

func TestEachClassHasItsOwnBudget(t *testing.T) {
	g := NewWithT(t)
	s := newTurnstile(t)
	g.Expect(s.sent(launch, 10, nil)).To(Equal(4))
	g.Expect(s.sent(terminate, 10, nil)).To(Equal(4))
	g.Expect(s.sent(read, 30, nil)).To(Equal(20))

	err := s.call(launch, nil)
	g.Expect(cloud.IsKind(err, cloud.Throttled)).To(BeTrue())
	g.Expect(cloud.WasNotSent(err)).To(BeTrue())
	g.Expect(cloud.RetryAfterOf(err)).To(BeNumerically(">", 3*time.Second), "six others were told to come back before")
	s.now = s.now.Add(time.Second)
	g.Expect(s.sent(launch, 10, nil)).To(Equal(2))
}

func TestThrottlingSlowsDownByHalfAndRecoversInSteps(t *testing.T) {
	g := NewWithT(t)
	s := newTurnstile(t)
	g.Expect(s.sent(read, 5, errThrottled)).To(Equal(1), "nothing is sent during the pause")
	g.Expect(s.sent(launch, 1, nil)).To(Equal(1), "launches are another class")
	s.now = s.now.Add(time.Second + 200*time.Millisecond)
	g.Expect(s.buckets[classRead].perSecond).To(Equal(5.0))

	err := s.call(read, &cloud.Error{Kind: cloud.Throttled, RetryAfter: 5 * time.Minute})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.buckets[classRead].perSecond).To(Equal(2.5))
	s.now = s.now.Add(4 * time.Minute)
	g.Expect(s.sent(read, 1, nil)).To(BeZero(), "OCI has said for how long to wait")
	s.now = s.now.Add(2 * time.Minute)
	for range 100 {
		g.Expect(s.sent(read, 1, nil)).To(Equal(1))
		s.now = s.now.Add(time.Second)
	}
	g.Expect(s.buckets[classRead].perSecond).To(Equal(10.0))
}

func TestTenMinutesOfThrottlingTakeFewCalls(t *testing.T) {
	g := NewWithT(t)
	s := newTurnstile(t)
	sent := 0
	for range 600 {
		sent += s.sent(read, 10, errThrottled)
		s.now = s.now.Add(time.Second)
	}
	g.Expect(sent).To(BeNumerically("<", 20))
	s.now = s.now.Add(time.Minute)
	g.Expect(s.sent(read, 10, nil)).To(BeNumerically(">", 0))
}

func TestAHostThatDoesNotAnswerIsTriedOnceInAWhile(t *testing.T) {
	g := NewWithT(t)
	s := newTurnstile(t)
	g.Expect(s.sent(read, 10, errSilent)).To(Equal(5))
	err := s.call(launch, nil)
	g.Expect(cloud.IsKind(err, cloud.Unavailable)).To(BeTrue())
	g.Expect(cloud.WasNotSent(err)).To(BeTrue())
	g.Expect(cloud.RetryAfterOf(err)).To(Equal(10 * time.Second))
	g.Expect(err).To(MatchError(ContainSubstring("no answer in time")))
	g.Expect(err).NotTo(MatchError(ContainSubstring("req-1")), "a condition repeats the message")
	g.Expect(s.call(regions, nil)).To(Succeed(), "another host")

	s.now = s.now.Add(10 * time.Second)
	probe, err := s.enter(context.Background(), read)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(s.sent(read, 5, nil)).To(BeZero(), "one tries, the others wait for what comes of it")
	s.leave(probe, errSilent)
	s.now = s.now.Add(10 * time.Second)
	g.Expect(s.sent(read, 1, nil)).To(BeZero(), "the second pause is longer")
	s.now = s.now.Add(10 * time.Second)
	g.Expect(s.sent(read, 1, &cloud.Error{Kind: cloud.NotFoundOrUnauthorized})).To(Equal(1))
	g.Expect(s.sent(read, 5, nil)).To(Equal(5), "any answer will do")
}

func TestACallThatItsCallerGaveUpSaysNothing(t *testing.T) {
	g := NewWithT(t)
	s := newTurnstile(t)
	g.Expect(s.sent(read, 5, errSilent)).To(Equal(5))
	s.now = s.now.Add(10 * time.Second)
	g.Expect(s.call(read, context.Canceled)).To(Succeed())
	g.Expect(s.call(read, nil)).To(Succeed(), "it may be tried again at once")
}

func TestASlowAccountHoldsFewWorkers(t *testing.T) {
	g := NewWithT(t)
	s := newTurnstile(t)
	var under []pass
	for range 3 {
		p, err := s.enter(context.Background(), read)
		g.Expect(err).NotTo(HaveOccurred())
		under = append(under, p)
	}
	g.Expect(cloud.WasNotSent(s.call(read, nil))).To(BeTrue())
	_, err := s.enter(Patient(context.Background()), read)
	g.Expect(err).NotTo(HaveOccurred(), "a poller holds no worker")
	s.leave(under[0], nil)
	g.Expect(s.call(read, nil)).To(Succeed())
}

func TestAPatientCallerWaitsWithinItsTime(t *testing.T) {
	g := NewWithT(t)
	s := newTurnstile(t)
	g.Expect(s.sent(launch, 4, nil)).To(Equal(4))
	brief, cancel := context.WithTimeout(Patient(context.Background()), 10*time.Millisecond)
	defer cancel()
	_, err := s.enter(brief, launch)
	g.Expect(cloud.WasNotSent(err)).To(BeTrue())

	s.limits.Clock = time.Now
	s.buckets[classCreate].filled = time.Now()
	_, err = s.enter(Patient(context.Background()), launch)
	g.Expect(err).NotTo(HaveOccurred())
}
