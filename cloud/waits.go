// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"sync"
	"time"
)

const (
	// searching is the part of the time waited that passes until the next look, as long as nobody
	// knows how long it takes; checking is that part once it is known, late the part of the known
	// time that a first look is later, so that it mostly finds the work done.
	searching, checking, late = 2, 8, 20
	// longestStep bounds the time between two looks.
	longestStep = 30 * time.Second
)

// Waits learns how long a service takes for each kind of work: what is waited for is looked at when
// it can be done, and not before. It is safe for concurrent use.
type Waits struct {
	// First is when to look at a kind of work that was never seen to end.
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

// Begin is for work of a kind that began at the time.
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
	return took + took/late, known
}

// After is how long it is until the next look; not positive if that is due.
func (w *Wait) After(now time.Time) time.Duration { return w.due.Sub(now) }

// Unfinished says that the work was not done when it was looked at.
func (w *Wait) Unfinished(now time.Time) {
	part := time.Duration(searching)
	if _, known := w.of.known(w.kind); known {
		part = checking
	}
	w.looked = true
	w.due = now.Add(min(longestStep, max(now.Sub(w.began)/part, w.of.First/4)))
}

// Finished says that the work was done when it was looked at. After a first look it may have been
// done for long: the next one is a little earlier.
func (w *Wait) Finished(now time.Time) {
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

// Pending are the pieces of work that are waited for, by keys of the caller. The zero value but for
// Waits is ready; it is safe for concurrent use.
type Pending struct {
	Waits *Waits

	mu    sync.Mutex
	waits map[string]*Wait
}

// After is how long it is until the next look at the work; not positive if that is due, or if
// nobody waits.
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

// Unfinished says that the work of a kind has begun, or was not done when it was looked at, and
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

// Finished says that the work was done when it was looked at.
func (p *Pending) Finished(key string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if wait := p.waits[key]; wait != nil {
		wait.Finished(now)
		delete(p.waits, key)
	}
}

// Drop says that nobody waits for the work any more.
func (p *Pending) Drop(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waits, key)
}
