// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"strings"
	"time"
)

// class is a kind of call with a budget of its own: launching many machines must not keep others
// from being deleted.
type class string

const (
	classRead   class = "read"
	classCreate class = "create"
	classDelete class = "delete"
)

// classOf goes by OCI's verbs. A call that neither reads nor deletes changes something.
func classOf(operation string) class {
	switch {
	case strings.HasPrefix(operation, "List"), strings.HasPrefix(operation, "Get"):
		return classRead
	case strings.HasPrefix(operation, "Delete"), strings.HasPrefix(operation, "Terminate"), strings.HasPrefix(operation, "Remove"),
		strings.HasPrefix(operation, "Detach"):
		return classDelete
	}
	return classCreate
}

// Budget is how many calls of a class an account is asked for.
type Budget struct {
	// PerSecond is the rate, and the limit of its recovery after throttling by OCI.
	PerSecond float64
	// Burst is how many calls may be made at once after a pause.
	Burst int
}

const (
	// smallest is the part of a budget left at least by OCI's throttling.
	smallest = 1.0 / 100
	// recovery is the part of a budget regained with each call that is not throttled.
	recovery = 1.0 / 50
	// firstPause doubles with each throttled call in a row, up to longestPause, unless OCI says how
	// long to wait.
	firstPause   = time.Second
	longestPause = time.Minute
	// longestTurn bounds the wait a caller is asked for.
	longestTurn = 30 * time.Second
)

// bucket is a token bucket with a rate adapting to throttling: down by half, up in small steps. It
// is not safe for concurrent use.
type bucket struct {
	most      Budget
	perSecond float64
	tokens    float64
	filled    time.Time
	// paused is until when nothing is sent, throttled how many calls in a row were.
	paused    time.Time
	throttled int
	// turned is how many callers were turned away and may come back.
	turned float64
}

func newBucket(most Budget, now time.Time) *bucket {
	return &bucket{most: most, perSecond: most.PerSecond, tokens: float64(most.Burst), filled: now}
}

// take takes a token, or returns how long to wait and whether OCI's throttling is the reason.
func (b *bucket) take(now time.Time) (wait time.Duration, throttled bool) {
	if elapsed := now.Sub(b.filled).Seconds(); elapsed > 0 {
		b.tokens = min(float64(b.most.Burst), b.tokens+elapsed*b.perSecond)
		b.filled = now
		if b.tokens >= float64(b.most.Burst) {
			// The callers turned away have had the time to come back.
			b.turned = 0
		}
	}
	switch {
	case now.Before(b.paused):
		return b.paused.Sub(now) + b.turn(), true
	case b.tokens < 1:
		return time.Duration((1-b.tokens)/b.perSecond*float64(time.Second)) + b.turn(), b.throttled > 0
	}
	b.tokens--
	b.turned = max(0, b.turned-1)
	return 0, false
}

// turn spreads the callers turned away over the time their calls will take.
func (b *bucket) turn() time.Duration {
	turn := min(longestTurn, time.Duration(b.turned/b.perSecond*float64(time.Second)))
	b.turned++
	return turn
}

// slowDown is called after a call throttled by OCI. Calls in flight at the time say nothing new.
func (b *bucket) slowDown(now time.Time, retryAfter time.Duration) {
	b.tokens = min(b.tokens, 0)
	if now.Before(b.paused) {
		b.paused = later(b.paused, now.Add(retryAfter))
		return
	}
	b.throttled++
	pause := min(longestPause, firstPause<<min(b.throttled-1, 10))
	b.paused = now.Add(max(pause, retryAfter))
	b.perSecond = max(b.most.PerSecond*smallest, b.perSecond/2)
}

// speedUp is called after any other answer.
func (b *bucket) speedUp() {
	b.throttled = 0
	b.perSecond = min(b.most.PerSecond, b.perSecond+b.most.PerSecond*recovery)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
