// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package tailnet

import (
	"context"
	"slices"
	"sync"
	"time"
)

// busyPart bounds how much of the time is spent on lists of devices: one that took a second is good for as many seconds.
const busyPart = 4

// shared is a list that everybody reads together: of all who ask while it is read, one reads.
type shared[T any] struct {
	// operation is the list's, turn how long anybody waits for a list that takes longer than the last.
	operation string
	turn      time.Duration

	mu sync.Mutex
	// began is when the last list was begun that was read to its end, took how long that was, value what it said.
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

// since returns a list that was begun at or after the time. Who waits for one that fails gets its error, rather than the turn to
// wait for the next; and nobody waits for one that takes far longer than the last, since all workers could be waiting.
func (s *shared[T]) since(ctx context.Context, notBefore time.Time, list func(context.Context) (T, error)) (T, error) {
	for {
		s.mu.Lock()
		if !s.began.IsZero() && !s.began.Before(notBefore) {
			value := s.value
			s.mu.Unlock()
			return value, nil
		}
		r := s.underway
		if r == nil {
			r = &reading[T]{began: time.Now(), done: make(chan struct{})}
			s.underway = r
			s.mu.Unlock()
			s.read(ctx, r, list)
			return r.value, r.err
		}
		wait := time.Until(r.began.Add(max(s.turn, 2*s.took)))
		s.mu.Unlock()
		if err := s.await(ctx, r, wait); err != nil {
			var none T
			return none, err
		}
		if r.err != nil || !r.began.Before(notBefore) {
			return r.value, r.err
		}
	}
}

// await waits until the list has been read.
func (s *shared[T]) await(ctx context.Context, r *reading[T], wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-r.done:
		return nil
	default:
	}
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return fail(s.operation, ReasonUnreachable, ctx.Err())
	case <-timer.C:
		return slow(s.operation, s.turn)
	}
}

func (s *shared[T]) read(ctx context.Context, r *reading[T], list func(context.Context) (T, error)) {
	defer close(r.done)
	r.value, r.err = list(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.underway = nil
	if r.err == nil {
		s.began, s.took, s.value = r.began, time.Since(r.began), r.value
	}
}

// patient is the age that a list may have: longer than asked for if reading it takes long.
func (s *shared[T]) patient(age time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(age, busyPart*s.took)
}

// RecentDevices is FindDevice by a list of all devices that is not older than age, or only as much as reading it takes, and that all
// callers share: what many machines look for costs no more than what one does. The devices are the caller's to read only.
func (c *Client) RecentDevices(ctx context.Context, hostname string, age time.Duration) ([]Device, error) {
	notBefore := time.Now().Add(-c.devices.patient(age))
	byHostname, err := c.devices.since(ctx, notBefore, func(ctx context.Context) (map[string][]Device, error) {
		devices, err := c.Devices(ctx)
		if err != nil {
			return nil, err
		}
		byHostname := make(map[string][]Device, len(devices))
		for _, device := range devices {
			byHostname[device.Hostname] = append(byHostname[device.Hostname], device)
		}
		return byHostname, nil
	})
	if err != nil {
		return nil, err
	}
	return byHostname[hostname], nil
}

// KeysSince returns the keys of exactly this description with which a machine could still join, by a list that was begun at or after
// the time and that all callers share.
func (c *Client) KeysSince(ctx context.Context, description string, notBefore time.Time) ([]Key, error) {
	keys, err := c.keys.since(ctx, notBefore, c.Keys)
	if err != nil {
		return nil, err
	}
	return usable(keys, description), nil
}

// usable are the keys of exactly this description with which a machine could still join.
func usable(keys []Key, description string) []Key {
	return slices.DeleteFunc(slices.Clone(keys), func(key Key) bool { return key.Description != description || key.Invalid })
}
