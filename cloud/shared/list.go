// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package shared has lists that everybody reads together: what many machines look for costs no more
// calls than what one does.
//
// It imports the standard library only.
package shared

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrSlow is what a caller gets who does not wait any longer for the list that another one reads.
var ErrSlow = errors.New("the list takes long to read")

var errUnread = errors.New("the list was not read to its end")

// List is a list of which one is read at a time, for all who ask meanwhile. It is safe for
// concurrent use; the zero value waits for nobody.
type List[T any] struct {
	// Wait is for how long a caller waits for the list that another one reads, counted from when
	// that was begun. took is how long the last one took that was read to its end; 0 if none was.
	// All workers could be waiting.
	Wait func(took time.Duration) time.Duration

	mu sync.Mutex
	// began is when the last list was begun that was read to its end, took how long that was, value
	// what it said.
	began time.Time
	took  time.Duration
	value T
	// underway is the list that is being read; nil if none is.
	underway *reading[T]
}

type reading[T any] struct {
	began time.Time
	done  chan struct{}
	value T
	err   error
}

// Since returns a list that was begun at or after the time; the caller may read it only. Who waits
// for one that fails gets its error, rather than the turn to wait for the next. Errors are those of
// read, of ctx, and ErrSlow.
func (l *List[T]) Since(ctx context.Context, notBefore time.Time, read func(context.Context) (T, error)) (T, error) {
	for {
		l.mu.Lock()
		if !l.began.IsZero() && !l.began.Before(notBefore) {
			value := l.value
			l.mu.Unlock()
			return value, nil
		}
		r := l.underway
		if r == nil {
			r = &reading[T]{began: time.Now(), done: make(chan struct{})}
			l.underway = r
			l.mu.Unlock()
			l.read(ctx, r, read)
			return r.value, r.err
		}
		wait := l.wait(r)
		l.mu.Unlock()
		if err := await(ctx, r.done, wait); err != nil {
			var none T
			return none, err
		}
		if r.err != nil || !r.began.Before(notBefore) {
			return r.value, r.err
		}
	}
}

// Put takes over a list that was begun at the time and read to its end by other means, unless a
// newer one is known.
func (l *List[T]) Put(began time.Time, value T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.began.Before(began) {
		l.began, l.took, l.value = began, time.Since(began), value
	}
}

// Latest is the newest list that is known, and when it was begun; zero if none is. The caller may
// read it only.
func (l *List[T]) Latest() (value T, began time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.value, l.began
}

// busyPart bounds how much of the time is spent on a list: one that took a second is good for as
// many seconds.
const busyPart = 4

// NotBefore is when a list must have been begun that is not older than age, or only as much as
// reading it takes.
func (l *List[T]) NotBefore(age time.Duration) time.Time {
	return time.Now().Add(-max(age, busyPart*l.Took()))
}

// Took is how long the last list took that was read to its end; 0 if none was.
func (l *List[T]) Took() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.took
}

func (l *List[T]) wait(r *reading[T]) time.Duration {
	if l.Wait == nil {
		return 0
	}
	return time.Until(r.began.Add(l.Wait(l.took)))
}

// await waits until the list has been read.
func await(ctx context.Context, done <-chan struct{}, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	default:
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return ErrSlow
	}
}

func (l *List[T]) read(ctx context.Context, r *reading[T], read func(context.Context) (T, error)) {
	// A panic in read, which controllers survive, must neither count as an empty list nor keep
	// others from reading.
	r.err = errUnread
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.underway = nil
		if r.err == nil {
			l.began, l.took, l.value = r.began, time.Since(r.began), r.value
		}
		close(r.done)
	}()
	r.value, r.err = read(ctx)
}
