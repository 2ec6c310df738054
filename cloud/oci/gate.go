// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud"
	"github.com/ocimesh/cluster-api-provider-ocimesh/cloud/circuit"
)

// Limits isolate one account's trouble from the others. Zero values stand for the defaults.
type Limits struct {
	// Reads, Creates and Deletes are budgets of the account; creates are all calls that change
	// something without deleting. 20 a second and 40 at once by default, and 5 and 20 for the
	// others: OCI does not publish its own.
	Reads, Creates, Deletes Budget
	// InFlight is how many calls without Patient may be in flight; 4 by default, so a slow account
	// leaves most of a controller's workers to others.
	InFlight int
	// Failures is how many calls in a row must get no answer, or a server's failure, before no more
	// are made; 5 by default.
	Failures int
	// Cooldown is how long no call is made to a service after several failures in a row, at first;
	// 10 seconds by default. It doubles up to a minute.
	Cooldown time.Duration
	// Clock tells the time; time.Now by default.
	Clock func() time.Time
}

func (l Limits) withDefaults() Limits {
	budget := func(b *Budget, standard Budget) {
		if b.PerSecond <= 0 || b.Burst <= 0 {
			*b = standard
		}
	}
	budget(&l.Reads, Budget{PerSecond: 20, Burst: 40})
	budget(&l.Creates, Budget{PerSecond: 5, Burst: 20})
	budget(&l.Deletes, Budget{PerSecond: 5, Burst: 20})
	if l.InFlight <= 0 {
		l.InFlight = 4
	}
	if l.Failures <= 0 {
		l.Failures = 5
	}
	if l.Cooldown <= 0 {
		l.Cooldown = 10 * time.Second
	}
	if l.Clock == nil {
		l.Clock = time.Now
	}
	return l
}

// Unlimited are limits without effect until OCI throttles: for tests of something else.
func Unlimited() Limits {
	much := Budget{PerSecond: 1e6, Burst: 1e6}
	return Limits{Reads: much, Creates: much, Deletes: much, InFlight: 1e6, Failures: 1e6}
}

type patientKey struct{}

// Patient marks calls of a caller able to wait for its turn, within ctx, because it holds no worker
// needed by others. Without it a call fails at once instead of waiting, with cloud.Throttled or
// cloud.Unavailable, NotSent, and the time to ask again.
func Patient(ctx context.Context) context.Context { return context.WithValue(ctx, patientKey{}, true) }

func isPatient(ctx context.Context) bool { return ctx.Value(patientKey{}) != nil }

// gate admits an account's calls. The zero value is not usable.
type gate struct {
	account string
	limits  Limits
	metrics *Metrics

	mu       sync.Mutex
	buckets  map[class]*bucket
	circuits map[string]*circuit.Circuit
	inFlight int
}

func newGate(account string, limits Limits, metrics *Metrics) *gate {
	limits = limits.withDefaults()
	now := limits.Clock()
	return &gate{
		account: account, limits: limits, metrics: metrics,
		buckets: map[class]*bucket{
			classRead: newBucket(limits.Reads, now), classCreate: newBucket(limits.Creates, now), classDelete: newBucket(limits.Deletes, now),
		},
		circuits: map[string]*circuit.Circuit{},
	}
}

// hostOf names the services failing together: compute, network and volumes are one host of OCI's.
// Load balancers of the classic kind share its name and are another service behind it.
func hostOf(service string) string {
	switch service {
	case serviceCompute, serviceNetwork, serviceBlockstorage, serviceWorkRequests:
		return "iaas"
	}
	return service
}

// pass is an admitted call.
type pass struct {
	class    class
	host     string
	occupies bool
}

// enter admits a call, or says why not: at once, unless the caller is patient.
func (g *gate) enter(ctx context.Context, op operation) (pass, error) {
	p := pass{class: classOf(op.name), host: hostOf(op.service), occupies: !isPatient(ctx)}
	for {
		refusal, reason := g.try(p)
		if refusal == nil {
			return p, nil
		}
		refusal.Service, refusal.Operation = op.service, op.name
		g.metrics.heldBack(g.account, p.class, reason)
		if p.occupies || reason == reasonCircuit || !g.wait(ctx, p.class, refusal.RetryAfter) {
			return pass{}, refusal
		}
	}
}

// Why a call was held back, as in metrics.
const (
	reasonCircuit   = "circuit"
	reasonBusy      = "busy"
	reasonThrottled = "throttled"
	reasonBudget    = "budget"
)

// busyWait is when a caller asks again after it found all InFlight calls taken.
const busyWait = time.Second

func (g *gate) try(p pass) (refusal *cloud.Error, reason string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.limits.Clock()
	if p.occupies && g.inFlight >= g.limits.InFlight {
		return &cloud.Error{
			Kind: cloud.Throttled, NotSent: true, RetryAfter: busyWait,
			Message: "the account is slow to answer the calls under way, this one waits for its turn",
		}, reasonBusy
	}
	c := g.circuit(p.host)
	if refusal := c.Admit(now); refusal != nil {
		return refusal, reasonCircuit
	}
	if wait, throttled := g.buckets[p.class].take(now); wait > 0 {
		c.Back()
		if throttled {
			return &cloud.Error{
				Kind: cloud.Throttled, NotSent: true, RetryAfter: wait,
				Message: "OCI throttles the account, this call waits for its turn",
			}, reasonThrottled
		}
		return &cloud.Error{
			Kind: cloud.Throttled, NotSent: true, RetryAfter: wait,
			Message: "many calls are made to the account, this one waits for its turn",
		}, reasonBudget
	}
	if p.occupies {
		g.inFlight++
	}
	return nil, ""
}

func (g *gate) circuit(host string) *circuit.Circuit {
	c := g.circuits[host]
	if c == nil {
		c = circuit.New(g.limits.Failures, g.limits.Cooldown)
		g.circuits[host] = c
	}
	return c
}

// wait waits for a turn, and tells whether there can be one before ctx ends.
func (g *gate) wait(ctx context.Context, of class, turn time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < turn {
		return false
	}
	timer := time.NewTimer(turn)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		g.metrics.waited(g.account, of, turn)
		return true
	}
}

// leave records the result of an admitted call.
func (g *gate) leave(p pass, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.limits.Clock()
	if p.occupies {
		g.inFlight--
	}
	b, c := g.buckets[p.class], g.circuit(p.host)
	switch kind := cloud.KindOf(err); {
	case errors.Is(err, context.Canceled):
		c.Back()
	case kind == cloud.Unavailable:
		c.Failed(now, messageOf(err))
	case kind == cloud.Throttled:
		c.Answered()
		b.slowDown(now, cloud.RetryAfterOf(err))
	default:
		c.Answered()
		b.speedUp()
	}
	g.metrics.gate(g.account, p, b.perSecond, c.State(now))
}

// messageOf leaves out the request's identifier: it differs each time, and conditions repeat the
// message.
func messageOf(err error) string {
	var e *cloud.Error
	if !errors.As(err, &e) {
		return ""
	}
	short := *e
	short.RequestID = ""
	return short.Error()
}
