// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"sync"
	"time"
)

const (
	// searching is the pause before the next look, as a part of the time waited so far, while
	// nobody knows how long the work takes; checking is the same once it is known. late is the part
	// of the known time by which a first look is later: mostly it finds the work done.
	searching, checking, late = 2, 8, 20
	// longestStep bounds the time between two looks, longestFirst that until the first one: what is
	// learned of one piece of work must not hide all others for long.
	longestStep  = 30 * time.Second
	longestFirst = 5 * time.Minute
)

// Waits learns how long a service takes for each kind of work: a look comes when the work can be
// done, and not before. It is safe for concurrent use.
type Waits struct {
	// First is when to look at work of a kind never seen to end.
	First time.Duration
	// NoLess names, for kinds of work, another kind that takes no longer: until they were seen to
	// end, they are looked at when such work would be done.
	NoLess map[string]string

	mu   sync.Mutex
	took map[string]time.Duration
}

// Wait is for the end of one piece of work.
type Wait struct {
	of         *Waits
	kind       string
	began, due time.Time
	looked     bool
}

// Begin is for work of a kind, begun at the time.
func (w *Waits) Begin(kind string, now time.Time) *Wait {
	took, known := w.known(kind)
	if !known {
		least, _ := w.known(w.NoLess[kind])
		took = max(w.First, least)
	}
	return &Wait{of: w, kind: kind, began: now, due: now.Add(took)}
}

// Knows tells whether work of the kind was seen to end.
func (w *Waits) Knows(kind string) bool {
	_, known := w.known(kind)
	return known
}

// known is when a first look is worth its call.
func (w *Waits) known(kind string) (after time.Duration, known bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	took, known := w.took[kind]
	return min(took+took/late, longestFirst), known
}

// After is how long it is until the next look; not positive if it is due.
func (w *Wait) After(now time.Time) time.Duration { return w.due.Sub(now) }

// Unfinished is called after a look at work not done yet. The next one is counted from when this
// one was due, unless that is past: looks that come late, one after the other, would come later and
// later.
func (w *Wait) Unfinished(now time.Time) {
	part := time.Duration(searching)
	if _, known := w.of.known(w.kind); known {
		part = checking
	}
	w.looked = true
	least := w.of.First / 4
	next := w.due.Add(min(longestStep, max(w.due.Sub(w.began)/part, least)))
	if !next.After(now) {
		next = now.Add(least)
	}
	w.due = next
}

// Finished is called after a look at finished work. After a first look it may have been done for
// long: the next one is a little earlier. A look that was due long ago, as where somebody paused
// the object, tells nothing.
func (w *Wait) Finished(now time.Time) {
	if now.Sub(w.due) > longestStep {
		return
	}
	w.of.mu.Lock()
	defer w.of.mu.Unlock()
	took := now.Sub(w.began)
	if before, known := w.of.took[w.kind]; known && !w.looked {
		took = min(took, before-before/late)
	}
	if w.of.took == nil {
		w.of.took = map[string]time.Duration{}
	}
	w.of.took[w.kind] = took
}

// Pending are the pieces of work under way, by keys of the caller. The zero value but for Waits is
// ready; it is safe for concurrent use.
type Pending struct {
	Waits *Waits

	mu    sync.Mutex
	waits map[string]*Wait
}

// After is how long it is until the next look at the work; not positive if it is due, or if nobody
// waits.
func (p *Pending) After(key string, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if wait := p.waits[key]; wait != nil {
		return wait.After(now)
	}
	return 0
}

// Awaits tells whether somebody waits for the work.
func (p *Pending) Awaits(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waits[key] != nil
}

// Unfinished is called when work of a kind has begun, and after a look at work not done yet. It
// returns how long it is until the next look.
func (p *Pending) Unfinished(key, kind string, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	wait := p.waits[key]
	switch {
	case wait == nil:
		wait = p.Waits.Begin(kind, now)
		if p.waits == nil {
			p.waits = map[string]*Wait{}
		}
		p.waits[key] = wait
	case wait.After(now) <= 0:
		wait.Unfinished(now)
	}
	return wait.After(now)
}

// Finished is called after a look at finished work.
func (p *Pending) Finished(key string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if wait := p.waits[key]; wait != nil {
		wait.Finished(now)
		delete(p.waits, key)
	}
}

// Drop ends the wait for the work.
func (p *Pending) Drop(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waits, key)
}
