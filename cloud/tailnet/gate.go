// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/circuit"
)

// Limits isolate one tailnet's trouble from the others. Zero values stand for the defaults.
type Limits struct {
	// InFlight is how many calls may be in flight; 4 by default, so a slow control server leaves
	// most of a controller's workers to others.
	InFlight int
	// Turn is how long a caller waits for one of them, or for a list being read by another, before
	// it is refused; 2 seconds by default. Once one has waited in vain, others are refused at once
	// until a call ends.
	Turn time.Duration
	// Failures is how many calls in a row must get no answer, or a server's failure, before no more
	// are made; 5 by default.
	Failures int
	// Cooldown is how long no call is made then, at first; 10 seconds by default. It doubles up to
	// a minute.
	Cooldown time.Duration
}

func (l Limits) withDefaults() Limits {
	if l.InFlight <= 0 {
		l.InFlight = 4
	}
	if l.Turn <= 0 {
		l.Turn = 2 * time.Second
	}
	if l.Failures <= 0 {
		l.Failures = 5
	}
	if l.Cooldown <= 0 {
		l.Cooldown = 10 * time.Second
	}
	return l
}

type probeKey struct{}

// probing marks calls exempt from the circuit: they find out whether the server answers again.
func probing(ctx context.Context) context.Context { return context.WithValue(ctx, probeKey{}, true) }

func isProbing(ctx context.Context) bool { return ctx.Value(probeKey{}) != nil }

// gate admits a tailnet's calls.
type gate struct {
	limits Limits
	slots  chan struct{}
	// heldBack is called with the reason of each refused call.
	heldBack func(operation, reason string)

	mu      sync.Mutex
	circuit *circuit.Circuit
	// stuck is set after a caller waited its turn in vain, until a call ends: no other caller
	// waits, since each would hold a worker for as long.
	stuck bool
}

func newGate(limits Limits, heldBack func(operation, reason string)) *gate {
	limits = limits.withDefaults()
	return &gate{
		limits: limits, slots: make(chan struct{}, limits.InFlight), heldBack: heldBack,
		circuit: circuit.New(limits.Failures, limits.Cooldown),
	}
}

// enter admits a call, or says why not; leave has to follow an admitted one. The circuit has
// admitted it too, unless uninvited.
func (g *gate) enter(ctx context.Context, operation string) (uninvited bool, err error) {
	if err := g.turn(ctx, operation); err != nil {
		return false, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	refusal := g.circuit.Admit(time.Now())
	switch {
	case refusal == nil:
		return false, nil
	case isProbing(ctx):
		return true, nil
	}
	<-g.slots
	g.heldBack(operation, "circuit")
	refusal.Service, refusal.Operation, refusal.Remedy = service, operation, remedies[refusal.Kind]
	return false, refusal
}

// turn waits for a slot.
func (g *gate) turn(ctx context.Context, operation string) error {
	select {
	case g.slots <- struct{}{}:
		return nil
	default:
	}
	if g.isStuck() {
		g.heldBack(operation, "busy")
		return slow(operation, g.limits.Turn)
	}
	timer := time.NewTimer(g.limits.Turn)
	defer timer.Stop()
	select {
	case g.slots <- struct{}{}:
		return nil
	case <-timer.C:
		g.markStuck()
		g.heldBack(operation, "busy")
		return slow(operation, g.limits.Turn)
	case <-ctx.Done():
		return fail(operation, ReasonUnreachable, ctx.Err())
	}
}

func (g *gate) isStuck() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stuck
}

func (g *gate) markStuck() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stuck = true
}

// slow is the error for a caller not served in time.
func slow(operation string, turn time.Duration) error {
	return &cloud.Error{
		Kind: cloud.Throttled, Service: service, Operation: operation, NotSent: true, RetryAfter: 2 * turn,
		Message: "the control server is slow to answer the calls under way, this one waits for its turn",
	}
}

// leave records the result of an admitted call.
func (g *gate) leave(uninvited bool, err error) {
	<-g.slots
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stuck = false
	switch {
	case errors.Is(err, context.Canceled):
		if !uninvited {
			g.circuit.Back()
		}
	case cloud.IsKind(err, cloud.Unavailable):
		g.circuit.Failed(time.Now(), err.Error())
	default:
		g.circuit.Answered()
	}
}
