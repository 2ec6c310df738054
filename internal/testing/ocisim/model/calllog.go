// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package model

import (
	"slices"
	"sync"
	"time"
)

// Call is one answered (or lost) request. Bodies are never kept: they hold secrets.
type Call struct {
	Tenancy   string
	Method    string
	Operation string
	// Status is 0 when the connection was broken or the client gave up.
	Status    int
	RequestID string
	Time      time.Time
}

// CallLog records every request.
type CallLog struct {
	mu    sync.Mutex
	calls []Call
}

// Add records a call.
func (l *CallLog) Add(call Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, call)
}

// All returns a copy of the record, oldest first.
func (l *CallLog) All() []Call {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.calls)
}

// Counts returns the number of calls per operation; an empty tenancy counts all tenancies.
func (l *CallLog) Counts(tenancy string) map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := map[string]int{}
	for _, call := range l.calls {
		if tenancy == "" || call.Tenancy == tenancy {
			counts[call.Operation]++
		}
	}
	return counts
}

// Reset empties the record.
func (l *CallLog) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = nil
}
