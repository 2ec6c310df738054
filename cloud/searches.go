// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package cloud

import (
	"sync"
	"time"
)

// Searches are since when this process searches for things, by keys of the caller: what was read
// before may not show them. After a restart every search begins anew. The zero value is ready; it
// is safe for concurrent use.
type Searches[K comparable] struct {
	mu    sync.Mutex
	since map[K]time.Time
}

// Since is the time of the first call for the search.
func (s *Searches[K]) Since(key K, now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if since, known := s.since[key]; known {
		return since
	}
	s.begin(key, now)
	return now
}

// Anew begins the search anew.
func (s *Searches[K]) Anew(key K, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begin(key, now)
}

func (s *Searches[K]) begin(key K, now time.Time) {
	if s.since == nil {
		s.since = map[K]time.Time{}
	}
	s.since[key] = now
}

// Forget drops a search that is over.
func (s *Searches[K]) Forget(key K) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.since, key)
}
