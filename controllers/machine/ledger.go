// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	infrav1 "github.com/ocimesh/cluster-api-provider-ocimesh/api/v1alpha1"
)

// ledger holds decisions that the cache may not show yet, so that machines placed at the same time see each other, and what is left
// of a budget is given away once. After a restart it is empty: what counts by then is in the machines' status.
type ledger struct {
	// deciding is held while a machine is placed: read, decide, write down.
	deciding sync.Mutex

	mu      sync.Mutex
	entries map[client.ObjectKey]infrav1.Placement
	// searched is since when instances of a machine are looked for.
	searched map[search]time.Time
}

// search tells the search for an instance to adopt from the one for what to delete.
type search struct {
	machine  client.ObjectKey
	deleting bool
}

// search is the one that this pass is part of.
func (s *scope) search() search {
	return search{client.ObjectKeyFromObject(s.own), !s.own.DeletionTimestamp.IsZero()}
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
	delete(l.searched, search{key, false})
	delete(l.searched, search{key, true})
}

// searchAnew begins the search for an instance to adopt anew: one may have been launched by now.
func (l *ledger) searchAnew(key client.ObjectKey, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.searched == nil {
		l.searched = map[search]time.Time{}
	}
	l.searched[search{key, false}] = now
}

// searchedSince is the time of the first call for the search: after a restart it begins anew.
func (l *ledger) searchedSince(key search, now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	since, known := l.searched[key]
	if known {
		return since
	}
	if l.searched == nil {
		l.searched = map[search]time.Time{}
	}
	l.searched[key] = now
	return now
}
