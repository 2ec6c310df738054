// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

// Package shared has lists with one read for all callers: a search for many machines costs no more
// calls than for one.
package shared

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrSlow is returned to a caller after its wait for the list being read by another has timed out.
var ErrSlow = errors.New("the list takes long to read")

var errUnread = errors.New("the list was not read to its end")

// List reads one list at a time, for all concurrent callers. It is safe for concurrent use; the
// zero value waits for no other caller.
type List[T any] struct {
	// Wait is how long a caller waits for the list being read by another, counted from its begin.
	// took is the duration of the last complete list; 0 if there was none. All workers could be
	// waiting.
	Wait func(took time.Duration) time.Duration

	mu sync.Mutex
	// began, took and value are the start, the duration and the content of the last complete list.
	began time.Time
	took  time.Duration
	value T
	// underway is the list being read; nil if none is.
	underway *reading[T]
}

type reading[T any] struct {
	began time.Time
	done  chan struct{}
	value T
	err   error
}

// Since returns a list begun at or after the time; the caller may only read it. The waiters for a
// failed list get its error, rather than a turn to wait for the next. Errors are those of read, of
// ctx, and ErrSlow.
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

// Put takes over a list begun at the time and read to its end by other means, unless a newer one is
// known.
func (l *List[T]) Put(began time.Time, value T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.began.Before(began) {
		l.began, l.took, l.value = began, time.Since(began), value
	}
}

// Latest is the newest known list, and its start; zero if there is none. The caller may only read
// it.
func (l *List[T]) Latest() (value T, began time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.value, l.began
}

// busyPart bounds the part of the time spent on a list: a list read in one second is good for
// busyPart seconds.
const busyPart = 4

// NotBefore is the earliest start for a list not older than age or, if that is longer, busyPart
// times the duration of a list.
func (l *List[T]) NotBefore(age time.Duration) time.Time {
	return time.Now().Add(-max(age, busyPart*l.Took()))
}

// Took is the duration of the last complete list; 0 if there was none.
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
	// Controllers survive a panic in read: it must neither count as an empty list nor keep others
	// from reading.
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
