// Copyright The CAPOM Authors.
// SPDX-License-Identifier: Apache-2.0

package machine

import (
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ledger holds since when instances of machines are looked for, and for which there cannot be one.
// After a restart it is empty, and all are looked for anew.
type ledger struct {
	mu       sync.Mutex
	searched map[search]time.Time
	// unborn are the machines that this process gave their identity and made nothing for, no key
	// either, with that identity.
	unborn map[client.ObjectKey]string
}

// conceive notes that the machine has got its identity just now: there is nothing yet that can be
// tagged with it.
func (l *ledger) conceive(key client.ObjectKey, identity string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unborn == nil {
		l.unborn = map[client.ObjectKey]string{}
	}
	l.unborn[key] = identity
}

// born notes that there may be a key, and with it an instance, from now on.
func (l *ledger) born(key client.ObjectKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.unborn, key)
}

// isUnborn tells whether there cannot be a key or an instance with the identity yet.
func (l *ledger) isUnborn(key client.ObjectKey, identity string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, unborn := l.unborn[key]
	return unborn && known == identity
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

func (l *ledger) forget(key client.ObjectKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.searched, search{key, false})
	delete(l.searched, search{key, true})
	delete(l.unborn, key)
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
