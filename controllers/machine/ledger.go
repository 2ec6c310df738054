// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// ledger holds decisions that the cache may not show yet, so that machines placed at the same time see each other. It is a
// help to the spread and nothing depends on it: after a restart it is empty.
type ledger struct {
	// deciding is held while a machine is placed: read, decide, write down.
	deciding sync.Mutex

	mu      sync.Mutex
	entries map[client.ObjectKey]infrav1.Placement
	// searched is since when instances of a machine that is being deleted are looked for in vain.
	searched map[client.ObjectKey]time.Time
}

func (l *ledger) put(key client.ObjectKey, placement infrav1.Placement) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries == nil {
		l.entries = map[client.ObjectKey]infrav1.Placement{}
	}
	l.entries[key] = placement
}

func (l *ledger) get(key client.ObjectKey) infrav1.Placement {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries[key]
}

func (l *ledger) forget(key client.ObjectKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.entries, key)
	delete(l.searched, key)
}

// searchedSince is the time of the first call for the machine: after a restart the search begins anew.
func (l *ledger) searchedSince(key client.ObjectKey, now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	since, known := l.searched[key]
	if known {
		return since
	}
	if l.searched == nil {
		l.searched = map[client.ObjectKey]time.Time{}
	}
	l.searched[key] = now
	return now
}
